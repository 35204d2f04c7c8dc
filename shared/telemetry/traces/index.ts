/** Neither where somebody is, nor a token: spans leave the platform. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** The kinds of OpenTelemetry's trace API: who asks whom, and whether an answer is waited for. */
export type StepKind = 'server' | 'client' | 'producer' | 'consumer' | 'internal';

/** A step of a trace that is recorded: a span. */
export type Step = {
  /** For what comes of it: W3C Trace Context, `traceparent`. */
  readonly traceparent: string;
  name(name: string): void;
  set(attributes: Attributes): void;
  /** Now. `problem`: why it has failed, as a code. */
  end(problem?: string): void;
};

export type StepOptions = {
  kind: StepKind;
  attributes: Attributes;
  /** A traceparent. undefined, or none at all: a new trace begins. */
  parent?: string | undefined;
  /** Those of others that this one deals with, too. */
  links?: readonly string[];
};

/**
 * Port: distributed traces. Where they are off there is none, and nothing of OpenTelemetry is loaded. A traceparent is made only for what
 * is recorded, so what is not sampled costs nothing after the look at whether it is.
 */
export type Traces = {
  /** undefined: not sampled. */
  start(name: string, options: StepOptions): Step | undefined;
  /** Sends what is left, and waits for that no longer than a moment. */
  stop(): Promise<void>;
};
