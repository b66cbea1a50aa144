"""Why a file is refused and why a row is quarantined: stable words with a sentence each."""

from collections.abc import Mapping
from enum import StrEnum


class Refusal(StrEnum):
    """Why nothing of a file was imported."""

    NOT_READABLE = "not_readable"
    NOT_UTF8 = "not_utf8"
    NUL_BYTES = "nul_bytes"
    NO_LINES = "no_lines"
    WRONG_HEADER = "wrong_header"
    NO_ROWS = "no_rows"
    TRUNCATED = "truncated"
    CHANGED_WHILE_READ = "changed_while_read"
    TOO_OLD = "too_old"
    TOO_MANY_BAD_ROWS = "too_many_bad_rows"
    FEWER_PEOPLE = "fewer_people"
    COLUMN_EMPTIED = "column_emptied"
    TOO_MANY_CHANGES = "too_many_changes"
    TOO_MANY_STATUS_CHANGES = "too_many_status_changes"
    TOO_MANY_STUDENT_LOSSES = "too_many_student_losses"


ACCEPTABLE = frozenset(
    {
        Refusal.TOO_OLD,
        Refusal.TOO_MANY_BAD_ROWS,
        Refusal.FEWER_PEOPLE,
        Refusal.COLUMN_EMPTIED,
        Refusal.TOO_MANY_CHANGES,
        Refusal.TOO_MANY_STATUS_CHANGES,
        Refusal.TOO_MANY_STUDENT_LOSSES,
    }
)
"""Refusals by a limit. An operator who has checked the file may accept them for one import."""


class Reason(StrEnum):
    """Why a row is in quarantine. Words about names and PESEL repeat those of `idp.people`."""

    COLUMNS = "columns"
    QUOTING = "quoting"
    CONTROL_CHARACTERS = "control_characters"
    OS_ID_FORM = "os_id_form"
    CHANGED_FORM = "changed_form"
    CHANGED_IN_FUTURE = "changed_in_future"
    PROGRAMME_MISSING = "programme_missing"
    PROGRAMME_REPEATED = "programme_repeated"
    TEXT_MISSING = "text_missing"
    TEXT_TOO_LONG = "text_too_long"
    TEXT_FORMULA = "text_formula"
    LEVEL_FORM = "level_form"
    FORM_FORM = "form_form"
    STATUS_UNKNOWN = "status_unknown"
    STATUS_BACK_IN_TIME = "status_back_in_time"
    DATE_FORM = "date_form"
    ALBUM_FORM = "album_form"
    ALBUM_MISSING = "album_missing"
    ALBUM_CHANGED = "album_changed"
    ALBUM_OF_TWO = "album_of_two"
    ALBUM_ZERO_TWIN = "album_zero_twin"
    ALBUM_TWO_FOR_ONE = "album_two_for_one"
    ROWS_DISAGREE = "rows_disagree"
    NAME_MISSING = "name_missing"
    NAME_NO_LETTER = "name_no_letter"
    NAME_NO_VALUE = "name_no_value"
    NAME_FORMULA = "name_formula"
    NAME_QUESTION_MARK = "name_question_mark"
    NAME_MOJIBAKE = "name_mojibake"
    NAME_CHARACTERS = "name_characters"
    NAME_MIXED_SCRIPTS = "name_mixed_scripts"
    NAME_TOO_LONG = "name_too_long"
    BIRTH_IN_FUTURE = "birth_in_future"
    SEX_FORM = "sex_form"
    CITIZENSHIP_FORM = "citizenship_form"
    PESEL_MISSING = "pesel_missing"
    PESEL_LOST_ZERO = "pesel_lost_zero"
    PESEL_SCIENTIFIC = "pesel_scientific"
    PESEL_ZEROS = "pesel_zeros"
    PESEL_FORM = "pesel_form"
    PESEL_CHECK_DIGIT = "pesel_check_digit"
    PESEL_DATE = "pesel_date"
    PESEL_FUTURE = "pesel_future"
    PESEL_NOT_BIRTH_DATE = "pesel_not_birth_date"
    PESEL_NOT_SEX = "pesel_not_sex"
    IDENTITY_MISSING = "identity_missing"
    DOCUMENT_FORM = "document_form"


SENTENCES: Mapping[Reason, str] = {
    Reason.COLUMNS: "The row has not as many columns as the header.",
    Reason.QUOTING: "A quotation mark opens and does not close within the row.",
    Reason.CONTROL_CHARACTERS: "The row contains control characters.",
    Reason.OS_ID_FORM: "os_id is not a number of 1 to 18 digits.",
    Reason.CHANGED_FORM: "zmieniono is not a timestamp with an offset (2026-10-01T12:00:00+02:00).",
    Reason.CHANGED_IN_FUTURE: "zmieniono lies in the future; believed, it would make every later change look old.",
    Reason.PROGRAMME_MISSING: "prog_kod is empty.",
    Reason.PROGRAMME_REPEATED: "The same person has the same programme twice with different content and no later one.",
    Reason.TEXT_MISSING: "prog_nazwa or jednostka is empty.",
    Reason.TEXT_TOO_LONG: "A programme, unit or document column is longer than it may be.",
    Reason.TEXT_FORMULA: "A programme or unit column starts like a spreadsheet formula.",
    Reason.LEVEL_FORM: "poziom is none of 1, 2, JM, 3, PD.",
    Reason.FORM_FORM: "forma is neither S nor N.",
    Reason.STATUS_UNKNOWN: "status is none of the known words.",
    Reason.STATUS_BACK_IN_TIME: "The row is no newer than what is stored, and its status began earlier.",
    Reason.DATE_FORM: "A date is not a calendar day written YYYY-MM-DD, or status_od is empty.",
    Reason.ALBUM_FORM: "nr_albumu is not 1 to 10 digits.",
    Reason.ALBUM_MISSING: "nr_albumu is empty in all rows of the person, who is not only admitted.",
    Reason.ALBUM_CHANGED: "The person has another album number already; one person has one number for ever.",
    Reason.ALBUM_OF_TWO: "Two people claim this album number; neither row was taken.",
    Reason.ALBUM_ZERO_TWIN: "Somebody has this album number written with other leading zeros.",
    Reason.ALBUM_TWO_FOR_ONE: "The person's rows carry two album numbers.",
    Reason.ROWS_DISAGREE: "The person's rows of one age disagree about the person.",
    Reason.NAME_MISSING: "Both imie and nazwisko are empty.",
    Reason.NAME_NO_LETTER: "A name has no letter.",
    Reason.NAME_NO_VALUE: "A name is a word of programs for no value (NULL). A person of that name is written Null.",
    Reason.NAME_FORMULA: "A name starts like a spreadsheet formula.",
    Reason.NAME_QUESTION_MARK: "A name holds a question mark where a letter was lost.",
    Reason.NAME_MOJIBAKE: "A name was read in a wrong encoding on its way.",
    Reason.NAME_CHARACTERS: "A name holds characters that are in no name.",
    Reason.NAME_MIXED_SCRIPTS: "A name mixes letters of several scripts that look alike, such as Latin and Cyrillic.",
    Reason.NAME_TOO_LONG: "A name is longer than 64 characters.",
    Reason.BIRTH_IN_FUTURE: "data_ur lies in the future.",
    Reason.SEX_FORM: "plec is neither K nor M.",
    Reason.CITIZENSHIP_FORM: "obywatelstwo is not two-letter country codes joined by |.",
    Reason.PESEL_MISSING: "A Polish citizen has no pesel.",
    Reason.PESEL_LOST_ZERO: "pesel lost its leading zeros, as in a spreadsheet.",
    Reason.PESEL_SCIENTIFIC: "pesel is written as 4.4E+10, as in a spreadsheet.",
    Reason.PESEL_ZEROS: "pesel is all zeros.",
    Reason.PESEL_FORM: "pesel is not 11 digits.",
    Reason.PESEL_CHECK_DIGIT: "The check digit of pesel is wrong.",
    Reason.PESEL_DATE: "pesel holds no calendar day.",
    Reason.PESEL_FUTURE: "pesel belongs to a birth in the future.",
    Reason.PESEL_NOT_BIRTH_DATE: "pesel and data_ur disagree.",
    Reason.PESEL_NOT_SEX: "pesel and plec disagree.",
    Reason.IDENTITY_MISSING: "There is neither a pesel nor an identity document.",
    Reason.DOCUMENT_FORM: "dok_numer is not 4 to 20 letters and digits, or dok_kraj is no country code.",
}


class Remark(StrEnum):
    """What was corrected, or left out, in a valid row."""

    NAME_IN_CAPITALS = "name_in_capitals"
    MAIL_UNUSABLE = "mail_unusable"
    DOCUMENT_UNUSABLE = "document_unusable"
