import { beforeEach, describe, expect, test } from '@jest/globals';
import { Admission, type BacklogResult, type LiveResult } from '../../shared/admission/index.ts';
import type {
  Appended,
  Decision,
  LoggedPosition,
  Outcome,
  Submission,
} from '../../shared/position-log/index.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../shared/telemetry/metrics.ts';

const NOW = Date.parse('2026-11-23T12:00:00Z');
const DAY_MS = 86_400_000;

/** One append, as the log saw it; it settles when the test says so. */
type Append = {
  submissions: readonly Submission[];
  keep(outcomes?: readonly Outcome[]): void;
  lose(): void;
};

let appends: Append[];
/** In the order in which things happen. */
let events: string[];
let metrics: Metrics;
let admission: Admission;
let decide: (submission: Submission) => Decision;
let deliver: (position: LoggedPosition) => void;

beforeEach(() => {
  appends = [];
  events = [];
  metrics = createMetrics();
  decide = admit;
  deliver = ({ driverId, recordedAt }) => events.push(`delivered ${driverId} ${recordedAt - NOW}`);
  admission = new Admission({
    historyRetentionDays: 7,
    logger: createLogger('silent'),
    metrics,
    seen: (driverId) => events.push(`seen ${driverId}`),
    deliver: (position, written) => {
      deliver(position);
      written();
    },
    log: {
      append(submissions) {
        const decisions = submissions.map((submission) => decide(submission));
        const admitted = decisions.flatMap((decision) => (decision.admitted ? decision.positions : []));
        return Promise.resolve({
          decisions,
          kept: new Promise((resolve, reject) => {
            appends.push({
              submissions,
              keep: (outcomes = admitted.map(() => 'accepted')) => resolve(outcomes),
              lose: () => reject(new Error('closed')),
            });
          }),
        } satisfies Appended);
      },
      pending: () => 0,
      lagMs: () => 0,
      close: () => Promise.resolve(),
    },
  });
});

function admit({ driverId, positions, receivedAt }: Submission): Decision {
  const logged = positions.map((position) => ({
    ...position,
    driverId,
    receivedAt,
    tripId: null,
    timeAssigned: position.recordedAt === null,
    recordedAt: position.recordedAt ?? receivedAt,
  }));
  return { admitted: true, positions: logged, newest: logged.at(-1) ?? null };
}

const limited = (): Decision => ({
  admitted: false,
  code: 'RATE_LIMITED',
  message: 'slower',
  retryAfterMs: 9,
});

const at = (offset: number, fields = {}) => ({
  latitude: 48,
  longitude: 16,
  recordedAt: NOW + offset,
  ...fields,
});

function sendLive(driverId: string, payload: unknown): { result: LiveResult | 'waiting' } {
  const sent: { result: LiveResult | 'waiting' } = { result: 'waiting' };
  admission.live(driverId, payload, NOW, (result) => {
    sent.result = result;
    events.push(`answered ${driverId}`);
  });
  return sent;
}

function sendBacklog(driverId: string, payload: unknown): { result: BacklogResult | 'waiting' } {
  const sent: { result: BacklogResult | 'waiting' } = { result: 'waiting' };
  admission.backlog(driverId, payload, NOW, (result) => {
    sent.result = result;
    events.push(`answered ${driverId}`);
  });
  return sent;
}

/** The end of this turn of the event loop, and what follows from it. */
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

async function verdicts(): Promise<Record<string, number>> {
  const { values } = await metrics.positions.get();
  return Object.fromEntries(values.map(({ labels, value }) => [labels.verdict, value]));
}

describe('what arrives in one turn of the event loop', () => {
  test('goes into the log in one append, in the order of arrival', async () => {
    sendLive('a', at(0));
    sendBacklog('b', [at(-1), at(-2)]);
    await Promise.resolve();
    sendLive('a', at(1));
    expect(appends).toHaveLength(0);
    await turn();
    sendLive('c', at(2));
    await turn();
    expect(
      appends.map(({ submissions }) => submissions.map(({ driverId, kind }) => `${driverId} ${kind}`)),
    ).toEqual([['a live', 'b backlog', 'a live'], ['c live']]);
  });

  test('gets each its own answer', async () => {
    decide = (submission) => (submission.driverId === 'limited' ? limited() : admit(submission));
    const sent = [
      sendLive('a', at(0)),
      sendLive('limited', at(0)),
      sendBacklog('b', [at(-3), at(-2), at(-1)]),
      sendLive('c', at(1)),
    ];
    await turn();
    appends[0]?.keep(['accepted', 'duplicate', 'accepted', 'INVALID_PAYLOAD', 'duplicate']);
    await turn();
    expect(sent.map(({ result }) => result)).toEqual([
      { verdict: 'accepted', position: expect.objectContaining({ driverId: 'a', recordedAt: NOW }) },
      { verdict: 'RATE_LIMITED', refusal: expect.objectContaining({ retryAfterMs: 9 }) },
      {
        accepted: 1,
        duplicates: 1,
        rejected: [{ index: 2, code: 'INVALID_PAYLOAD', message: expect.any(String) }],
      },
      { verdict: 'duplicate', position: expect.objectContaining({ driverId: 'c', recordedAt: NOW + 1 }) },
    ]);
    expect(await verdicts()).toEqual({ accepted: 2, duplicate: 2, RATE_LIMITED: 1, INVALID_PAYLOAD: 1 });
  });
});

describe('a position', () => {
  test('is delivered before it is kept, and answered after', async () => {
    sendLive('a', at(0));
    await turn();
    expect(events).toEqual(['seen a', 'delivered a 0']);
    appends[0]?.keep();
    await turn();
    expect(events).toEqual(['seen a', 'delivered a 0', 'answered a']);
  });

  test('that could not be kept is not acknowledged', async () => {
    const sent = [sendLive('a', at(0)), sendBacklog('b', [at(-1)])];
    await turn();
    appends[0]?.lose();
    await turn();
    expect(sent.map(({ result }) => result)).toEqual([undefined, undefined]);
    expect(await verdicts()).toEqual({});
  });

  test('is not acknowledged either when the log itself fails', async () => {
    decide = () => {
      throw new Error('broken');
    };
    const sent = sendLive('a', at(0));
    await turn();
    expect(sent.result).toBeUndefined();
    decide = admit;
    const next = sendLive('a', at(1));
    await turn();
    appends[0]?.keep();
    await turn();
    expect(next.result).toMatchObject({ verdict: 'accepted' });
  });

  test('that is refused is answered at once, not delivered, and nobody was seen', async () => {
    decide = (submission) => (submission.driverId === 'a' ? limited() : admit(submission));
    sendLive('a', at(0));
    sendLive('b', at(0));
    await turn();
    // The other one still waits for the database
    expect(events).toEqual(['answered a', 'seen b', 'delivered b 0']);
  });

  test('that can not be delivered is kept and acknowledged, and the others are delivered', async () => {
    deliver = ({ driverId }) => {
      if (driverId === 'a') throw new Error('broken');
      events.push(`delivered ${driverId}`);
    };
    sendLive('a', at(0));
    sendLive('b', at(0));
    await turn();
    appends[0]?.keep();
    await turn();
    expect(events).toEqual(['seen a', 'seen b', 'delivered b', 'answered a', 'answered b']);
  });

  test.each([
    ['nothing like one', null, 'INVALID_PAYLOAD'],
    ['beyond the pole', at(0, { latitude: 91 }), 'INVALID_PAYLOAD'],
    ['61 s ahead', at(61_000), 'IN_FUTURE'],
    ['a millisecond too far ahead', at(60_001), 'IN_FUTURE'],
    ['from 2100', at(0, { recordedAt: '2100-01-01T00:00:00Z' }), 'IN_FUTURE'],
    ['from 1970', at(0, { recordedAt: 0 }), 'TOO_OLD'],
    ['with seconds for milliseconds', at(0, { recordedAt: Math.floor(NOW / 1000) }), 'TOO_OLD'],
    ['a millisecond too old', at(-7 * DAY_MS - 1), 'TOO_OLD'],
  ])('%s is refused without the log', async (_name, payload, code) => {
    const sent = sendLive('a', payload);
    expect(sent.result).toMatchObject({ verdict: code, refusal: { code, errors: expect.any(Array) } });
    await turn();
    expect(appends).toHaveLength(0);
    expect(await verdicts()).toEqual({ [code]: 1 });
  });

  test.each([59_000, 60_000, -7 * DAY_MS, null])('recorded %s ms from now is taken', async (offset) => {
    const sent = sendLive('a', offset === null ? at(0, { recordedAt: null }) : at(offset));
    await turn();
    appends[0]?.keep();
    await turn();
    expect(sent.result).toMatchObject({ verdict: 'accepted' });
  });
});

describe('a backlog', () => {
  test('loses only the bad ones, and says where they stood', async () => {
    const bad = at(0, { longitude: 999 });
    const sent = sendBacklog('a', [bad, at(-5), at(61_000), at(-4), null, at(-8 * DAY_MS), at(-3)]);
    await turn();
    expect(appends[0]?.submissions[0]?.positions.map(({ recordedAt }) => recordedAt)).toEqual([
      NOW - 5,
      NOW - 4,
      NOW - 3,
    ]);
    appends[0]?.keep(['duplicate', 'INVALID_PAYLOAD', 'accepted']);
    await turn();
    expect(sent.result).toEqual({
      accepted: 1,
      duplicates: 1,
      rejected: [
        [0, 'INVALID_PAYLOAD'],
        [2, 'IN_FUTURE'],
        [3, 'INVALID_PAYLOAD'],
        [4, 'INVALID_PAYLOAD'],
        [5, 'TOO_OLD'],
      ].map(([index, code]) => ({ index, code, message: expect.any(String) })),
    });
    expect(await verdicts()).toEqual({
      accepted: 1,
      duplicate: 1,
      INVALID_PAYLOAD: 3,
      IN_FUTURE: 1,
      TOO_OLD: 1,
    });
  });

  test('of nothing but bad ones is answered without the log', async () => {
    const sent = sendBacklog('a', [null, 1]);
    expect(sent.result).toMatchObject({ accepted: 0, duplicates: 0, rejected: [{ index: 0 }, { index: 1 }] });
    await turn();
    expect(appends).toHaveLength(0);
  });

  test.each([
    ['none', []],
    ['an object', {}],
    ['501', Array.from({ length: 501 }, () => at(0))],
    ['no JSON', undefined],
  ])('of %s is refused as a whole', (_name, payload) => {
    expect(sendBacklog('a', payload).result).toMatchObject({ refusal: { code: 'INVALID_PAYLOAD' } });
  });

  test('of 500 is taken', async () => {
    const sent = sendBacklog(
      'a',
      Array.from({ length: 500 }, (_, index) => at(-index)),
    );
    await turn();
    appends[0]?.keep();
    await turn();
    expect(sent.result).toEqual({ accepted: 500, duplicates: 0, rejected: [] });
  });

  test('that the log refuses is refused as a whole, and counted position by position', async () => {
    decide = limited;
    const sent = sendBacklog('a', [at(-1), at(-2), at(-3)]);
    await turn();
    expect(sent.result).toMatchObject({ refusal: { code: 'RATE_LIMITED', retryAfterMs: 9 } });
    expect(await verdicts()).toEqual({ RATE_LIMITED: 3 });
  });
});
