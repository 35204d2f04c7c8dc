import { type Platform, token } from '../platform.ts';
import { dropoff, pickup, type TripBody } from '../trips.ts';

const PAUSE_MS = 200;
const ANSWER_MS = 20_000;

const isLost = (error: unknown) => {
  const { name, message } = error as Error;
  return name === 'TimeoutError' || message === 'fetch failed' || message === 'terminated';
};

/** Books and moves trips over REST at whichever api answers, as long as it takes. */
export class Dispatch {
  /** 503 and connections that were refused or lost. */
  readonly retried: string[] = [];
  private readonly bearer: string;
  private readonly apis: readonly Platform[];

  private constructor(apis: readonly Platform[], bearer: string) {
    this.apis = apis;
    this.bearer = bearer;
  }

  static async open(apis: readonly Platform[]): Promise<Dispatch> {
    return new Dispatch([...apis], await token('SERVICE', 'dispatch'));
  }

  async book(driverId: string, riderId: string): Promise<string> {
    const body = { driverId, riderId, pickup, dropoff };
    return (await this.insist('POST', '/v1/trips', body, `${driverId}.${riderId}`)).id;
  }

  async move(tripId: string, status: string): Promise<void> {
    await this.insist('PATCH', `/v1/trips/${tripId}/status`, { status });
  }

  private async insist(method: string, path: string, body: object, key?: string): Promise<TripBody> {
    for (let attempt = 0; ; attempt++) {
      const api = this.apis[attempt % this.apis.length] as Platform;
      try {
        const answer = await fetch(`${api.urls.rest}${path}`, {
          method,
          headers: {
            authorization: `Bearer ${this.bearer}`,
            'content-type': 'application/json',
            ...(key === undefined ? {} : { 'idempotency-key': key }),
          },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(ANSWER_MS),
        });
        const text = await answer.text();
        if (answer.ok) return JSON.parse(text) as TripBody;
        const refusal = `${method} ${path}: ${answer.status} ${text}`;
        if (answer.status !== 503) throw new Error(refusal);
        this.retried.push(refusal);
      } catch (error) {
        if (!isLost(error)) throw error;
        const { name, message, cause } = error as Error & { cause?: { code?: string } };
        this.retried.push(`${method} ${path}: ${name} ${cause?.code ?? message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
