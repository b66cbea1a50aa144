"""How often things are tried: the one place. `make test` takes TEST, `make campaign` takes CAMPAIGN."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of tries. A test asks for the fixture `counts`; hypothesis takes `examples` by itself."""

    seed: int
    examples: int  # of each hypothesis property
    store_examples: int  # of a property that writes to a database at each try
    plans: int  # random plans around the limits
    feeds: int  # bad files of each kind
    racers: int  # threads or processes that fight for one thing
    races: int  # how often they do
    tickets: int  # that several processes validate at the same moment
    broken_share: int  # of so many cases of a protocol one is also tried on a server that breaks its rule
    kills: int  # kill -9 at a random moment
    people: int  # in the larger sample exports
    run_people: int  # in a run that is killed again and again
    run_kills: int  # that it suffers
    run_moments: int  # of a small run, each of which is its last once


TEST = Counts(
    seed=2026,
    examples=60,
    store_examples=15,
    plans=60,
    feeds=2,
    racers=4,
    races=20,
    tickets=100,
    broken_share=5,
    kills=2,
    people=300,
    run_people=150,
    run_kills=6,
    run_moments=8,
)
CAMPAIGN = Counts(
    seed=0,
    examples=5_000,
    store_examples=500,
    plans=10_000,
    feeds=200,
    racers=8,
    races=1_000,
    tickets=10_000,
    broken_share=1,
    kills=40,
    people=20_000,
    run_people=2_000,
    run_kills=200,
    run_moments=10_000,
)
