import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ConsoleSpanExporter,
  SimpleSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import type { Logger } from '../log.ts';
import type { Attributes, Step, StepKind, StepOptions, Traces } from './index.ts';
import type { TraceExporter } from './settings.ts';

/** A collector that is away holds up nobody's stop. */
const LAST_SENDING_MS = 1000;

const KINDS: Record<StepKind, SpanKind> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
};

/** W3C Trace Context, 3.2: later versions begin the same, and may go on. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;

function spanContextOf(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
}

class RecordedStep implements Step {
  readonly traceparent: string;
  private readonly span: Span;

  constructor(span: Span) {
    const { traceId, spanId } = span.spanContext();
    this.traceparent = `00-${traceId}-${spanId}-01`;
    this.span = span;
  }

  name(name: string): void {
    this.span.updateName(name);
  }

  set(attributes: Attributes): void {
    this.span.setAttributes(attributes);
  }

  end(problem?: string): void {
    if (problem !== undefined) {
      this.span.setAttribute('error.type', problem);
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.span.end();
  }
}

/** Says once that the collector is away, and once that it is back. What it does not take meanwhile is lost. */
function telling(exporter: SpanExporter, log: Logger): SpanExporter {
  let isAway = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.code !== 0;
        if (failed && !isAway)
          log.warn({ err: result.error }, 'traces can not be sent, and are lost meanwhile');
        if (!failed && isAway) log.info('traces are sent again');
        isAway = failed;
        done(result);
      });
    },
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}

/** By the SDK: it reads OTEL_* for itself, as to where, what and how much. Its queue is bounded (OTEL_BSP_MAX_QUEUE_SIZE, 2048 spans). */
export function startOpenTelemetry(
  exporters: readonly TraceExporter[],
  about: Attributes,
  log: Logger,
): Traces {
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': 'fleetcast', ...about }))
    .merge(detectResources({ detectors: [envDetector] }));
  const spanProcessors = exporters.map((name) =>
    name === 'console'
      ? new SimpleSpanProcessor(new ConsoleSpanExporter())
      : new BatchSpanProcessor(telling(new OTLPTraceExporter(), log)),
  );
  const provider = new BasicTracerProvider({ resource, spanProcessors });
  const tracer = provider.getTracer('fleetcast', String(about['service.version'] ?? ''));

  const contextOf = (parent: string | undefined): Context => {
    const context = spanContextOf(parent);
    return context === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, context);
  };

  return {
    start(name: string, { kind, attributes, parent, links = [] }: StepOptions) {
      const span = tracer.startSpan(
        name,
        {
          kind: KINDS[kind],
          links: links.flatMap((link) => {
            const context = spanContextOf(link);
            return context === undefined ? [] : [{ context }];
          }),
        },
        contextOf(parent),
      );
      if (!span.isRecording()) return undefined;
      // Not with the start: no sampler of the SDK looks at them, and most spans may not be sampled
      span.setAttributes(attributes);
      return new RecordedStep(span);
    },
    async stop() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, LAST_SENDING_MS);
      });
      // What can not be sent any more has been told of
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}
