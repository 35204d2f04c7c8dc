import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeFrame, decodeMessages, encodeFrame, encodeMessage } from '../../shared/emitter/frames.ts';
import { Arrivals } from '../../shared/emitter/link.ts';

const messages = fc.record({
  cmd: fc.constant('publish' as const),
  topic: fc.string({ unit: 'grapheme', maxLength: 60 }),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  retain: fc.boolean(),
  brokerId: fc.string({ unit: 'grapheme', maxLength: 40 }),
  brokerCounter: fc.maxSafeNat(),
});

test('messages come out of a frame as they went in, whatever bytes they hold', () => {
  fc.assert(
    fc.property(fc.array(messages, { maxLength: 20 }), fc.maxSafeNat(), (sent, number) => {
      const frame = encodeFrame({ from: 'node', link: 7, number }, sent.map(encodeMessage));
      expect(decodeFrame(frame)).toEqual({ from: 'node', link: 7, number, messages: sent });
    }),
  );
});

test("a message of Aedes' own, with a text and without a sender, is carried", () => {
  const bytes = encodeMessage({
    cmd: 'publish',
    topic: '$SYS/sub/add',
    payload: '{"ä":1}',
    qos: 0,
    retain: false,
  });
  expect(decodeMessages(bytes)).toEqual([
    expect.objectContaining({ payload: Buffer.from('{"ä":1}'), brokerId: '', brokerCounter: 0 }),
  ]);
});

test('a frame that is cut off is refused', () => {
  const [message] = fc.sample(messages, { numRuns: 1, seed: 1 });
  if (message === undefined) throw new Error('no sample');
  const frame = encodeFrame({ from: 'node', link: 1, number: 1 }, [
    encodeMessage({ ...message, payload: Buffer.alloc(9) }),
  ]);
  for (let length = 1; length < frame.length; length++) {
    // Nothing but its head is a frame, too
    if (length === 1 + 'node'.length + 12) continue;
    expect(() => decodeFrame(frame.subarray(0, length))).toThrow(/range|bounds|cut off/);
  }
});

describe('a node sees of the frames of another', () => {
  const seen = (...steps: ([number, number] | { sent: [number, number] })[]) => {
    const arrivals = new Arrivals();
    return steps.map((step) =>
      'sent' in step ? arrivals.isComplete('n', ...step.sent) : arrivals.frame('n', ...step),
    );
  };

  test('which is the next, which it had, and where one is missing', () => {
    expect(seen([1, 1], [1, 2], [1, 2], [1, 1], [1, 4], [1, 5])).toEqual([
      'next',
      'next',
      'had',
      'had',
      'gap',
      'next',
    ]);
  });

  test('that the first is missing', () => expect(seen([1, 2])).toEqual(['gap']));

  test('that it was taken for dead: the link is a new one', () =>
    expect(seen([1, 1], [3, 1], [3, 2], [1, 9])).toEqual(['next', 'gap', 'next', 'had']));

  test('that the last one is missing, once the other says how many it sent', () =>
    expect(
      seen({ sent: [1, 0] }, [1, 1], { sent: [1, 1] }, { sent: [1, 2] }, { sent: [1, 2] }, [1, 3]),
    ).toEqual([true, 'next', true, false, true, 'next']));
});
