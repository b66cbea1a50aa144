"""Names for invented people, as a Polish registry spells them."""

from typing import Final, NamedTuple

POLISH_WOMEN: Final = (
    *("Anna", "Katarzyna", "Maria", "Małgorzata", "Agnieszka", "Zofia", "Julia", "Hanna", "Maja", "Oliwia", "Zuzanna"),
    *("Wiktoria", "Aleksandra", "Natalia", "Łucja", "Żaneta", "Bożena", "Grażyna", "Święcisława", "Elżbieta", "Emilia"),
    *("Karolina", "Patrycja", "Weronika", "Iga", "Lena", "Alicja", "Nadia", "Kinga", "Jagoda", "Gabriela", "Marta"),
)
POLISH_MEN: Final = (
    *("Jan", "Piotr", "Krzysztof", "Andrzej", "Łukasz", "Michał", "Paweł", "Jakub", "Szymon", "Filip", "Kacper"),
    *("Stanisław", "Mateusz", "Wojciech", "Tomasz", "Maciej", "Bartłomiej", "Grzegorz", "Rafał", "Świętosław", "Igor"),
    *(
        "Antoni",
        "Franciszek",
        "Aleksander",
        "Mikołaj",
        "Wiktor",
        "Dawid",
        "Kamil",
        "Adrian",
        "Oskar",
        "Miłosz",
        "Józef",
    ),
)
# Woman's form and man's form.
POLISH_SURNAMES: Final = tuple(
    tuple(pair.split("/") if "/" in pair else (pair, pair))
    for pair in (
        *("Nowak", "Kowalska/Kowalski", "Wiśniewska/Wiśniewski", "Wójcik", "Kowalczyk", "Kamińska/Kamiński", "Mazur"),
        *("Lewandowska/Lewandowski", "Zielińska/Zieliński", "Szymańska/Szymański", "Woźniak", "Dąbrowska/Dąbrowski"),
        *("Kozłowska/Kozłowski", "Jankowska/Jankowski", "Wojciechowska/Wojciechowski", "Krawczyk", "Kaczmarek", "Żak"),
        *(
            "Piotrowska/Piotrowski",
            "Grabowska/Grabowski",
            "Zając",
            "Pawłowska/Pawłowski",
            "Michalska/Michalski",
            "Król",
        ),
        *(
            "Wieczorek",
            "Jabłońska/Jabłoński",
            "Wróbel",
            "Majewska/Majewski",
            "Olszewska/Olszewski",
            "Stępień",
            "Malinowska/Malinowski",
        ),
        *(
            "Jaworska/Jaworski",
            "Adamczyk",
            "Dudek",
            "Nowicka/Nowicki",
            "Pawlak",
            "Górska/Górski",
            "Witkowska/Witkowski",
        ),
        *(
            "Walczak",
            "Sikora",
            "Baran",
            "Rutkowska/Rutkowski",
            "Szewczyk",
            "Ostrowska/Ostrowski",
            "Tomaszewska/Tomaszewski",
        ),
        *(
            "Pietrzak",
            "Zalewska/Zalewski",
            "Wróblewska/Wróblewski",
            "Marciniak",
            "Jasińska/Jasiński",
            "Zawadzka/Zawadzki",
            "Bąk",
        ),
        *(
            "Sadowska/Sadowski",
            "Duda",
            "Chmielewska/Chmielewski",
            "Borkowska/Borkowski",
            "Gęśla",
            "Źdźbło",
            "Ćwik",
            "Łęcka/Łęcki",
        ),
        *(
            "Gwóźdź",
            "Żółć",
            "Śliwa",
            "Pszczoła",
            "Brzęczyszczykiewicz",
            "Szczęsna/Szczęsny",
            "Niedźwiedź",
            "Wąż",
            "Kłys",
        ),
    )
)


class Nation(NamedTuple):
    """People of one country, as their names stand in the registry."""

    country: str
    weight: int
    women: tuple[str, ...]
    men: tuple[str, ...]
    surnames: tuple[tuple[str, ...], ...]  # woman's and man's form
    prefix: str = ""


def _same(*surnames: str) -> tuple[tuple[str, ...], ...]:
    return tuple((surname, surname) for surname in surnames)


NATIONS: Final = (
    Nation(
        "UA",
        40,
        ("Olena", "Yuliia", "Kateryna", "Oksana", "Daryna", "Solomiia"),
        ("Oleksandr", "Andrii", "Dmytro", "Maksym", "Yurii", "Bohdan"),
        (*_same("Shevchenko", "Bondarenko", "Zghurskyi", "Tkachuk", "Koval"), ("Vyshnevska", "Vyshnevskyi")),
    ),
    Nation(
        "UA", 3, ("Юлія", "Ґалина"), ("Андрій", "Тарас"), (("Згурська", "Згурський"), *_same("Щербак", "Коваленко"))
    ),
    Nation(
        "BY",
        10,
        ("Alena", "Nastassia", "Volha"),
        ("Aliaksandr", "Siarhei", "Yauheni"),
        _same("Kavalenka", "Novik", "Zhuk"),
    ),
    Nation(
        "TR",
        8,
        ("Zeynep", "Elif", "İrem"),
        ("Mehmet", "Oğuzhan", "Barış"),
        _same("Yıldırım", "Şahin", "Özdemir", "İnan"),
    ),
    Nation("VN", 6, ("Thị Hồng", "Ngọc Ánh"), ("Văn Đức", "Minh Quân"), _same("Nguyễn", "Đặng", "Trần")),
    Nation("CN", 4, ("Xiaoling", "Mei"), ("Xiaolong", "Wei"), _same("Li", "Wang", "Zhang")),
    Nation("CN", 1, ("小玲",), ("小龍",), _same("李", "王")),
    Nation("IN", 6, ("Priya", "Ananya"), ("Rahul", "Arjun"), _same("Sharma", "Patel", "Singh")),
    Nation("ID", 1, ("",), ("",), _same("Suharto", "Megawati")),
    Nation("NG", 5, ("Chiamaka", "Ngozi"), ("Chinedu", "Oluwaseun"), _same("Okonkwo", "Adébáyọ̀", "Okafor")),
    Nation("ES", 4, ("María José", "Lucía"), ("Íñigo", "José Ramón"), _same("García Núñez", "Muñoz Ibáñez", "Peña")),
    Nation("DE", 3, ("Jürgen-Marie", "Käthe"), ("Jörg", "Björn"), _same("Müller", "Großmann", "Weiß")),
    Nation("NL", 2, ("Fleur", "Sanne"), ("Daan", "Bram"), _same("Berg", "Dijk"), prefix="van der"),
    Nation("NO", 2, ("Åse", "Solveig"), ("Bjørn", "Øystein"), _same("Ødegård", "Ærø", "Håkonsen")),
    Nation(
        "IS",
        1,
        ("Guðrún", "Þórdís"),
        ("Sigurður", "Þór"),
        (("Þórsdóttir", "Þórsson"), ("Guðmundsdóttir", "Guðmundsson")),
    ),
    Nation("IE", 1, ("Siobhán", "Aoife"), ("Pádraig", "Seán"), _same("O’Connor", "Ní Bhriain", "O'Neill")),
    Nation("EG", 3, ("Fatma", "Nour"), ("Mohamed", "Ahmed"), _same("Hassan", "El-Sayed", "Abd El-Rahman")),
    Nation("EG", 1, ("فاطمة",), ("محمد",), _same("علي", "حسن")),
)
