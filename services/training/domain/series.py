"""Series: the certificate numbers of one evaluator and year, without gaps, drawn block by block.   (B-32: 三(六))

A block is a stream of its own, so that none grows without end. A number is drawn in the transaction of the certificate
that bears it: what comes to nothing draws none.
"""

import msgspec

from shared.eventstore.decider import Aggregate, Decision, Event, Rejection, Row
from shared.values.ids import CertificateId

# Small, because a block is folded for every number drawn from it. It is part of the storage format: never change it.
BLOCK = 100

# -- events: what happened; the names are the storage format -------------------------------------------------------


class NumberDrawn(Event, frozen=True, tag="training.NumberDrawn.v1"):
    """`sequence` counts from 1 through all blocks of the evaluator's year."""

    evaluator_code: str
    year: int
    block: int
    sequence: int
    certificate_id: CertificateId


# -- state and evolve: what we know ---------------------------------------------------------------------------------


class Series(msgspec.Struct, frozen=True):
    """`last` is the last sequence drawn from this block, 0 when none was."""

    evaluator_code: str = ""
    year: int = 0
    block: int = 0
    last: int = 0


def evolve(series: Series, event: NumberDrawn) -> Series:
    return Series(event.evaluator_code, event.year, event.block, event.sequence)


# -- commands and decide: what may happen next ------------------------------------------------------------------------


class DrawNumber(msgspec.Struct, frozen=True):
    evaluator_code: str
    year: int
    block: int
    certificate_id: CertificateId


def decide(command: DrawNumber, series: Series) -> Decision:
    sequence = series.last + 1 if series.last else (command.block - 1) * BLOCK + 1
    if sequence > command.block * BLOCK:
        return Rejection(code="block_used_up", detail="这一段编号已用完，请重试", status=503)
    return [
        NumberDrawn(
            evaluator_code=command.evaluator_code,
            year=command.year,
            block=command.block,
            sequence=sequence,
            certificate_id=command.certificate_id,
        )
    ]


def certificate_number(mark: str, year: int, sequence: int) -> str:
    """Such as `SH2025-D1-000001`."""
    return f"SH{year:04}-{mark}-{sequence:06}"


def stream_of(evaluator_code: str, year: int, block: int) -> str:
    return f"{SERIES.prefix}_{evaluator_code}-{year}-{block}"


BLOCKS = "number_block"


class CurrentBlock(msgspec.Struct, frozen=True):
    """The inline row that tells which block the next number comes from."""

    block: int = 1


def key_of(evaluator_code: str, year: int) -> str:
    return f"{evaluator_code}-{year}"


def rows(stream: str, series: Series, event: NumberDrawn) -> tuple[Row, ...]:
    """The block in use; the last number of a block turns the page."""
    block = series.block + 1 if series.last == series.block * BLOCK else series.block
    return (Row(BLOCKS, key_of(series.evaluator_code, series.year), CurrentBlock(block)),)


SERIES: Aggregate[Series] = Aggregate("srs", (NumberDrawn,), Series, evolve, rows=rows)
