import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export type ReceivedSpan = {
  traceId: string;
  spanId: string;
  /** '': it has none. */
  parentSpanId: string;
  name: string;
  kind: number;
  attributes: Record<string, string | number | boolean>;
  links: { traceId: string; spanId: string }[];
  /** 2: an error. */
  status: number;
  /** Of the process that it comes from. */
  resource: Record<string, string | number | boolean>;
};

export type OtlpReceiver = {
  url: string;
  spans: readonly ReceivedSpan[];
  /** All that was sent, as it came. */
  bytes(): Buffer;
  headers(): NodeJS.Dict<string | string[]>;
  /** What it does with what it is sent from now on: `hang` never answers. */
  behave(how: 'take' | 'hang' | 'refuse'): void;
  /** The first of which that is so, once it is there. */
  span(isIt: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan>;
  stop(): Promise<void>;
};

const PATIENCE_MS = 20_000;

/** A collector: takes OTLP over HTTP, in protobuf. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const bodies: Buffer[] = [];
  let behaviour: 'take' | 'hang' | 'refuse' = 'take';
  let headers: NodeJS.Dict<string | string[]> = {};
  const hanging: ServerResponse[] = [];
  const server = createServer((request, response) => {
    if (behaviour === 'hang') return void hanging.push(response);
    if (behaviour === 'refuse') return void response.writeHead(400).end();
    void buffer(request).then((body) => {
      const isTraces =
        request.url === '/v1/traces' && request.headers['content-type'] === 'application/x-protobuf';
      if (isTraces) {
        headers = request.headers;
        bodies.push(body);
        spans.push(...readRequest(body));
      }
      response.writeHead(isTraces ? 200 : 404, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bytes: () => Buffer.concat(bodies),
    headers: () => headers,
    behave(how) {
      behaviour = how;
    },
    async span(isIt) {
      for (const limit = Date.now() + PATIENCE_MS; Date.now() < limit; ) {
        const found = spans.find(isIt);
        if (found !== undefined) return found;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`no such span: ${JSON.stringify(spans.map(({ name, traceId }) => [name, traceId]))}`);
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Value = number | bigint | Buffer;

/** Field numbers with their values, in order (protobuf's wire format). */
function fields(bytes: Buffer): [number, Value][] {
  const found: [number, Value][] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const type = tag & 7;
    if (type === 0) found.push([tag >> 3, varint()]);
    else if (type === 2) {
      const length = Number(varint());
      found.push([tag >> 3, bytes.subarray(at, at + length)]);
      at += length;
    } else if (type === 1 || type === 5) {
      const value = type === 1 ? bytes.readDoubleLE(at) : bytes.readFloatLE(at);
      found.push([tag >> 3, value]);
      at += type === 1 ? 8 : 4;
    } else throw new Error(`wire type ${type}`);
  }
  return found;
}

const every = (bytes: Buffer, field: number) =>
  fields(bytes).flatMap(([number, value]) => (number === field && Buffer.isBuffer(value) ? [value] : []));
const one = (bytes: Buffer, field: number) => every(bytes, field)[0] ?? Buffer.alloc(0);
const number = (bytes: Buffer, field: number) =>
  Number(fields(bytes).find(([found]) => found === field)?.[1] ?? 0);

/** KeyValue (1 key, 2 AnyValue: 1 string, 2 bool, 3 int, 4 double). */
function attributesOf(bytes: Buffer, field: number): Record<string, string | number | boolean> {
  const pairs = every(bytes, field).map((pair) => {
    const [[type, value] = [0, 0]] = fields(one(pair, 2));
    const shown = Buffer.isBuffer(value) ? value.toString() : type === 2 ? value !== 0n : Number(value);
    return [one(pair, 1).toString(), shown] as const;
  });
  return Object.fromEntries(pairs);
}

/** ExportTraceServiceRequest → ResourceSpans → ScopeSpans → Span (opentelemetry-proto, trace/v1). */
function readRequest(bytes: Buffer): ReceivedSpan[] {
  return every(bytes, 1).flatMap((resourceSpans) => {
    const resource = attributesOf(one(resourceSpans, 1), 1);
    return every(resourceSpans, 2)
      .flatMap((scopeSpans) => every(scopeSpans, 2))
      .map((span) => ({
        traceId: one(span, 1).toString('hex'),
        spanId: one(span, 2).toString('hex'),
        parentSpanId: one(span, 4).toString('hex'),
        name: one(span, 5).toString(),
        kind: number(span, 6),
        attributes: attributesOf(span, 9),
        links: every(span, 13).map((link) => ({
          traceId: one(link, 1).toString('hex'),
          spanId: one(link, 2).toString('hex'),
        })),
        status: number(one(span, 15), 3),
        resource,
      }));
  });
}
