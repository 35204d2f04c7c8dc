import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AckQueue } from '../../broker/ack-queue.ts';

describe('acknowledgements', () => {
  test('go out in the order of the messages, whatever the order in which they become ready', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 80 }),
        fc.infiniteStream(fc.nat()),
        (arrivals, picks) => {
          const queue = new AckQueue();
          const sent: number[] = [];
          const open: { index: number; ready: () => void }[] = [];
          const finished = new Set<number>();
          let next = 0;
          const finishOne = () => {
            const [one] = open.splice((picks.next().value ?? 0) % open.length, 1);
            if (one === undefined) return;
            finished.add(one.index);
            one.ready();
          };
          for (const arrives of arrivals) {
            if (arrives || open.length === 0) {
              const index = next++;
              open.push({ index, ready: queue.take(() => sent.push(index)) });
            } else finishOne();
            // All that is ready and has nobody before it, and no more
            let due = 0;
            while (finished.has(due)) due++;
            expect(sent).toEqual(Array.from({ length: due }, (_, index) => index));
          }
          while (open.length > 0) finishOne();
          expect(sent).toEqual(Array.from({ length: next }, (_, index) => index));
        },
      ),
    );
  });

  test('that bring the next message with them keep their order', () => {
    const queue = new AckQueue();
    const sent: string[] = [];
    const first = queue.take(() => {
      sent.push('first');
      // What a client sends as soon as it is acknowledged
      queue.take(() => sent.push('third'))();
    });
    queue.take(() => sent.push('second'))();
    first();
    expect(sent).toEqual(['first', 'second', 'third']);
  });

  test('go out once, however often they are said to be ready', () => {
    const queue = new AckQueue();
    const sent: string[] = [];
    const ready = queue.take(() => sent.push('one'));
    queue.take(() => sent.push('two'));
    ready();
    ready();
    expect(sent).toEqual(['one']);
  });
});

describe('work that must come after earlier messages', () => {
  test('begins at once when there are none', () => {
    const queue = new AckQueue();
    let began = false;
    queue.afterEarlier(() => {
      began = true;
    });
    expect(began).toBe(true);
    queue.take(() => undefined);
    began = false;
    queue.afterEarlier(() => {
      began = true;
    });
    expect(began).toBe(true);
  });

  test('begins when the last of them is acknowledged, and keeps the later ones waiting', () => {
    const queue = new AckQueue();
    const events: string[] = [];
    const first = queue.take(() => events.push('first'));
    const second = queue.take(() => events.push('second'));
    const own = queue.take(() => events.push('own'));
    queue.afterEarlier(() => events.push('work'));
    const later = queue.take(() => events.push('later'));
    later();
    second();
    expect(events).toEqual([]);
    first();
    expect(events).toEqual(['first', 'second', 'work']);
    own();
    expect(events).toEqual(['first', 'second', 'work', 'own', 'later']);
  });

  test('of several messages begins one after the other, also when it is done at once', () => {
    const queue = new AckQueue();
    const events: string[] = [];
    const first = queue.take(() => events.push('first'));
    for (const name of ['a', 'b', 'c']) {
      const ready = queue.take(() => events.push(`${name} acknowledged`));
      queue.afterEarlier(() => {
        events.push(`${name} works`);
        ready();
      });
    }
    first();
    expect(events).toEqual([
      'first',
      'a works',
      'a acknowledged',
      'b works',
      'b acknowledged',
      'c works',
      'c acknowledged',
    ]);
  });
});
