"""Traces: one span per request and per batch, linked by the trace context that events carry."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags

from shared.telemetry.lines import Lines

_KINDS = {"producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER}
MAX_LINKS = 64
_new_traces = 0.0


class JsonLinesExporter(SpanExporter):
    """Writes finished spans as JSON lines, for a local stack without a collector."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._lines = Lines(self._file.fileno())

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._lines.write_bytes(b"".join(msgspec.json.encode(_described(span)) + b"\n" for span in spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._file.close()


def _described(span: ReadableSpan) -> dict[str, object]:
    context = span.context
    return {
        "name": span.name,
        "trace_id": f"{context.trace_id:032x}" if context else None,
        "span_id": f"{context.span_id:016x}" if context else None,
        "parent": f"{span.parent.span_id:016x}" if span.parent else None,
        "links": [f"{link.context.trace_id:032x}-{link.context.span_id:016x}" for link in span.links],
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "attributes": dict(span.attributes or {}),
    }


def configure_traces(service: str, path: Path | None, ratio: float) -> TracerProvider:
    """Set up tracing for this process: `ratio` of new traces are recorded, and all those of a recorded parent."""
    global _new_traces
    _new_traces = ratio
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"huchuang-{service}"}),
        sampler=ParentBased(ALWAYS_ON),
    )
    if path is not None:
        provider.add_span_processor(BatchSpanProcessor(JsonLinesExporter(path)))
    trace.set_tracer_provider(provider)
    return provider


def traceparent_of(context: SpanContext) -> str:
    """W3C trace context, version 00."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def parse_traceparent(text: str | None) -> SpanContext | None:
    """The span context of a `traceparent`, or None when there is none or it is malformed."""
    parts = (text or "").split("-")
    if len(parts) != 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
        return None
    try:
        context = SpanContext(int(parts[1], 16), int(parts[2], 16), True, TraceFlags(int(parts[3], 16)))
    except ValueError:
        return None
    return context if context.is_valid else None


@contextmanager
def request_span(method: str, traceparent: bytes | None) -> Iterator[trace.Span | None]:
    """A server span where the caller's trace is recorded, or where a new one is chosen to be; None elsewhere.

    Choosing here, before any span exists, makes the many requests that are not recorded cost next to nothing.
    """
    parent = parse_traceparent(traceparent.decode("latin-1")) if traceparent else None
    if not (parent.trace_flags.sampled if parent else random.random() < _new_traces):
        yield None
        return
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent else None
    tracer = trace.get_tracer("huchuang")
    with tracer.start_as_current_span(method, context=context, kind=SpanKind.SERVER, record_exception=False) as span:
        yield span


@contextmanager
def batch_span(name: str, kind: Literal["producer", "consumer"], traceparents: Sequence[str | None]) -> Iterator[None]:
    """One span for a batch, linked to the sampled traces that its events belong to."""
    contexts = [parse_traceparent(text) for text in dict.fromkeys(traceparents) if text is not None]
    links = [Link(context) for context in contexts if context is not None and context.trace_flags.sampled]
    if not links:
        yield
        return
    tracer = trace.get_tracer("huchuang")
    parent = trace.set_span_in_context(trace.NonRecordingSpan(links[0].context))
    with tracer.start_as_current_span(
        name,
        context=parent,
        kind=_KINDS[kind],
        links=links[:MAX_LINKS],
        attributes={"messaging.system": "kafka", "messaging.batch.message_count": len(traceparents)},
    ):
        yield
