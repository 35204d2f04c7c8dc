import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  type AdmissionDesk,
  admit,
  at,
  DAY_MS,
  limited,
  NOW,
  openAdmissionDesk,
  turn,
} from '../support/admission-desk.ts';

let desk: AdmissionDesk;
beforeEach(() => {
  desk = openAdmissionDesk();
});

describe('what arrives in one turn of the event loop', () => {
  test('goes into the log in one append, in the order of arrival', async () => {
    desk.live('a', at(0));
    desk.backlog('b', [at(-1), at(-2)]);
    await Promise.resolve();
    desk.live('a', at(1));
    expect(desk.appends).toHaveLength(0);
    await turn();
    desk.live('c', at(2));
    await turn();
    expect(
      desk.appends.map(({ submissions }) => submissions.map(({ driverId, kind }) => `${driverId} ${kind}`)),
    ).toEqual([['a live', 'b backlog', 'a live'], ['c live']]);
  });

  test('gets each its own answer', async () => {
    desk.decide = (submission) => (submission.driverId === 'limited' ? limited() : admit(submission));
    const sent = [
      desk.live('a', at(0)),
      desk.live('limited', at(0)),
      desk.backlog('b', [at(-3), at(-2), at(-1)]),
      desk.live('c', at(1)),
    ];
    await turn();
    desk.appends[0]?.keep(['accepted', 'duplicate', 'accepted', 'INVALID_PAYLOAD', 'duplicate']);
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
    expect(await desk.verdicts()).toEqual({ accepted: 2, duplicate: 2, RATE_LIMITED: 1, INVALID_PAYLOAD: 1 });
  });
});

describe('a position', () => {
  test('is delivered before it is kept, and answered after', async () => {
    desk.live('a', at(0));
    await turn();
    expect(desk.events).toEqual(['seen a', 'delivered a']);
    desk.appends[0]?.keep();
    await turn();
    expect(desk.events).toEqual(['seen a', 'delivered a', 'answered a']);
  });

  test('that could not be kept is not acknowledged', async () => {
    const sent = [desk.live('a', at(0)), desk.backlog('b', [at(-1), at(-2)])];
    await turn();
    desk.appends[0]?.lose();
    await turn();
    expect(sent.map(({ result }) => result)).toEqual([undefined, undefined]);
    expect(await desk.verdicts()).toEqual({});
    expect(await desk.unkept()).toBe(3);
  });

  test('is not acknowledged either when the log itself fails', async () => {
    desk.decide = () => {
      throw new Error('broken');
    };
    const sent = desk.live('a', at(0));
    await turn();
    expect(sent.result).toBeUndefined();
    desk.decide = admit;
    const next = desk.live('a', at(1));
    await turn();
    desk.appends[0]?.keep();
    await turn();
    expect(next.result).toMatchObject({ verdict: 'accepted' });
  });

  test('that is refused is answered at once, not delivered, and nobody was seen', async () => {
    desk.decide = (submission) => (submission.driverId === 'a' ? limited() : admit(submission));
    desk.live('a', at(0));
    desk.live('b', at(0));
    await turn();
    // The other one still waits for the database
    expect(desk.events).toEqual(['answered a', 'seen b', 'delivered b']);
  });

  test('that can not be delivered is kept and acknowledged, and the others are delivered', async () => {
    desk.deliver = ({ driverId }) => {
      if (driverId === 'a') throw new Error('broken');
      desk.events.push(`delivered ${driverId}`);
    };
    desk.live('a', at(0));
    desk.live('b', at(0));
    await turn();
    desk.appends[0]?.keep();
    await turn();
    expect(desk.events).toEqual(['seen a', 'seen b', 'delivered b', 'answered a', 'answered b']);
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
    const sent = desk.live('a', payload);
    expect(sent.result).toMatchObject({ verdict: code, refusal: { code, errors: expect.any(Array) } });
    await turn();
    expect(desk.appends).toHaveLength(0);
    expect(await desk.verdicts()).toEqual({ [code]: 1 });
  });

  test.each([59_000, 60_000, -7 * DAY_MS, null])('recorded %s ms from now is taken', async (offset) => {
    const sent = desk.live('a', offset === null ? at(0, { recordedAt: null }) : at(offset));
    await turn();
    desk.appends[0]?.keep();
    await turn();
    expect(sent.result).toMatchObject({ verdict: 'accepted' });
  });
});
