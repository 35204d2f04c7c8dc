import type { Platform } from './platform.ts';

export type LiveEvent = { event: string; id: string | undefined; data: unknown };

export type LiveStream = {
  status: number;
  headers: Headers;
  events: readonly LiveEvent[];
  /** The first event so far, or from now on, that fits. Fails when the stream ends before, or after 10 s. */
  next(fits: (event: LiveEvent) => boolean): Promise<LiveEvent>;
  /** The server has ended it. */
  ended: Promise<void>;
  close(): void;
};

const WAIT_MS = 10_000;

/** A client of `GET /v1/trips/{id}/live`, as a browser's EventSource reads it, with a token in its header. */
export async function follow(
  platform: Platform,
  bearer: string,
  tripId: string,
  headers: Record<string, string> = {},
): Promise<LiveStream> {
  const controller = new AbortController();
  const response = await fetch(`${platform.urls.rest}/v1/trips/${tripId}/live`, {
    headers: { authorization: `Bearer ${bearer}`, ...headers },
    signal: controller.signal,
  });
  const events: LiveEvent[] = [];
  const waiting = new Set<() => void>();
  let isOver = false;
  const read = async () => {
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const event = parse(part);
        if (event !== undefined) events.push(event);
      }
      for (const check of waiting) check();
    }
  };
  const ended = read()
    .catch((error: unknown) => {
      if (!controller.signal.aborted) throw error;
    })
    .finally(() => {
      isOver = true;
      for (const check of waiting) check();
    });
  // Whoever waits for it learns of a failure; nobody has to
  ended.catch(() => undefined);
  return {
    status: response.status,
    headers: response.headers,
    events,
    ended,
    next: (fits) =>
      new Promise((resolve, reject) => {
        const fail = (why: string) => {
          waiting.delete(check);
          reject(new Error(`${why} before such an event; received: ${JSON.stringify(events)}`));
        };
        const timer = setTimeout(() => fail(`${WAIT_MS} ms passed`), WAIT_MS);
        const check = () => {
          const found = events.find(fits);
          if (found === undefined && !isOver) return;
          clearTimeout(timer);
          if (found === undefined) return fail('the stream ended');
          waiting.delete(check);
          resolve(found);
        };
        waiting.add(check);
        check();
      }),
    close: () => controller.abort(),
  };
}

/** undefined: a comment, which only keeps the connection alive. */
function parse(block: string): LiveEvent | undefined {
  const fields = new Map(
    block.split('\n').map((line) => {
      const [name = '', value = ''] = line.split(/: ?(.*)/s);
      return [name, value];
    }),
  );
  const data = fields.get('data');
  if (data === undefined) return undefined;
  return { event: fields.get('event') ?? 'message', id: fields.get('id'), data: JSON.parse(data) };
}

export const isStatusEvent =
  (status: string) =>
  ({ event, data }: LiveEvent): boolean =>
    event === 'status' && (data as { status: string }).status === status;

export const isLocationEvent =
  (recordedAt?: number) =>
  ({ event, data }: LiveEvent): boolean =>
    event === 'location' &&
    (recordedAt === undefined || Date.parse((data as { recordedAt: string }).recordedAt) === recordedAt);

export const statusesIn = ({ events }: Pick<LiveStream, 'events'>) =>
  events.filter(({ event }) => event === 'status').map(({ data }) => (data as { status: string }).status);
