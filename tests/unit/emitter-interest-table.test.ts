import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Announcements } from '../../shared/emitter/announcements.ts';
import { InterestTable } from '../../shared/emitter/interest-table.ts';

const newTable = () => new InterestTable((id) => ({ to: id }));

const names = (links: readonly { to: string }[]) => links.map(({ to }) => to).toSorted();

test('a node gets everything until it has told what it wants, and from then on that alone', () => {
  const table = newTable();
  const peer = table.heard('n', 0);
  expect(names(table.wanting('a'))).toEqual(['n']);
  table.replace(peer, 3, ['b/+', 'c']);
  expect(['a', 'b/x', 'c', 'c/d'].map((topic) => table.wanting(topic).length)).toEqual([0, 1, 1, 0]);
  expect(table.apply(peer, { version: 4, added: ['a'], removed: ['c'] })).toBe(true);
  expect(['a', 'b/x', 'c'].map((topic) => table.wanting(topic).length)).toEqual([1, 1, 0]);
  table.forget(peer);
  expect(table.wanting('a')).toEqual([]);
});

test('a node that wants a topic twice over gets it once', () => {
  const table = newTable();
  table.replace(table.heard('one', 0), 1, ['a', '+', '#']);
  table.replace(table.heard('two', 0), 1, ['a']);
  table.heard('new', 0);
  expect(names(table.wanting('a'))).toEqual(['new', 'one', 'two']);
});

type Told = { version: number; added: string[]; removed: string[] };

/**
 * A node changes its mind; what it tells is lost, doubled and put in another order. Whatever comes, the table never leaves the node
 * out of a topic that it wanted at the version that the table is at; and one sign of life and its answer put it right.
 */
test('lost, doubled and disordered announcements are noticed, and put right', () => {
  const filters = ['a', 'b', 'c/+', '#'];
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ toggle: fc.constantFrom(...filters) }) },
    { weight: 3, arbitrary: fc.constant({ turn: true }) },
    { weight: 4, arbitrary: fc.record({ arrives: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ lost: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ again: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.constant({ beat: true }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const table = newTable();
      const peer = table.heard('n', 0);
      const announcements = new Announcements();
      const wanted = new Set<string>();
      const wantedAt = new Map<number, string[]>([[0, []]]);
      const told: Told[] = [];
      const underWay: Told[] = [];
      table.replace(peer, 0, []);

      const turn = () =>
        announcements.tell(async (version, added, removed) => {
          wantedAt.set(version, [...wanted]);
          told.push({ version, added, removed });
          underWay.push({ version, added, removed });
        });
      const tellAll = () => {
        turn();
        table.replace(peer, announcements.version, [...wanted]);
      };
      const arrive = (one: Told | undefined) => {
        if (one !== undefined && !table.apply(peer, one)) tellAll();
      };
      const check = () => {
        if (peer.version === undefined) expect(table.wanting('nobody-wants-this')).toHaveLength(1);
        else expect([...peer.filters].toSorted()).toEqual(wantedAt.get(peer.version)?.toSorted());
      };

      for (const one of steps) {
        if ('toggle' in one) {
          const isWanted = !wanted.has(one.toggle);
          if (isWanted) wanted.add(one.toggle);
          else wanted.delete(one.toggle);
          announcements.change(one.toggle, isWanted);
        } else if ('turn' in one) turn();
        else if ('arrives' in one) arrive(underWay.splice(one.arrives, 1)[0]);
        else if ('lost' in one) underWay.splice(one.lost, 1);
        else if ('again' in one) arrive(told[one.again]);
        else if (!table.isUpTo(peer, announcements.version)) tellAll();
        check();
      }
      turn();
      if (!table.isUpTo(peer, announcements.version)) tellAll();
      expect([...peer.filters].toSorted()).toEqual([...wanted].toSorted());
      for (const topic of ['a', 'b', 'c/d', 'e'])
        expect(table.wanting(topic).length > 0).toBe(
          wanted.has('#') || wanted.has(topic) || (topic === 'c/d' && wanted.has('c/+')),
        );
    }),
    { numRuns: 1000 },
  );
});

test('of what was told, nothing is told twice, and who waits for it is called back even when it failed', async () => {
  const announcements = new Announcements();
  const calls: string[] = [];
  announcements.change('a', true, () => calls.push('a'));
  announcements.change('b', true);
  announcements.change('b', false, () => calls.push('b'));
  const told: unknown[] = [];
  let fail: (error: Error) => void = () => undefined;
  announcements.tell((...what) => {
    told.push(what);
    return new Promise((_, reject) => {
      fail = reject;
    });
  });
  announcements.afterwards(() => calls.push('after'));
  announcements.tell(async (...what) => void told.push(what));
  await Promise.resolve();
  expect(calls).toEqual([]);
  fail(new Error('away'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toEqual(['a', 'b', 'after']);
  expect(told).toEqual([[1, ['a'], []]]);
});
