import { expect, test } from '@jest/globals';
import { Repeats } from '../../shared/telemetry/repeats.ts';
import { keptLog } from '../support/log-lines.ts';

const times = (count: number, work: (n: number) => void) => {
  for (let n = 0; n < count; n++) work(n);
};

test('who fails over and over has a few lines, and hides nobody else', () => {
  const { log, lines } = keptLog('info');
  times(10_000, () => log.info({ remoteAddress: '192.0.2.1' }, 'login refused'));
  log.info({ remoteAddress: '192.0.2.2' }, 'login refused');
  expect(lines().filter(({ remoteAddress }) => remoteAddress === '192.0.2.1')).toHaveLength(5);
  expect(lines().filter(({ remoteAddress }) => remoteAddress === '192.0.2.2')).toHaveLength(1);
});

test('from many addresses there are not many lines either', () => {
  const { log, lines } = keptLog('info');
  times(10_000, (n) => log.info({ remoteAddress: `2001:db8::${n.toString(16)}` }, 'login refused'));
  expect(lines()).toHaveLength(30);
});

test('an outage has not a line for each that it hits; what it is about stays, also of other events', () => {
  const { log, lines } = keptLog('info');
  times(1000, () => log.error({ err: new Error('away') }, 'request failed'));
  times(2, () => log.warn('something else'));
  expect(lines().filter(({ msg }) => msg === 'request failed')).toHaveLength(30);
  expect(lines().filter(({ msg }) => msg === 'something else')).toHaveLength(2);
});

test('what is done on purpose is told each time, and so is what ends the process, and what was asked for', () => {
  const { log, lines } = keptLog('debug');
  times(100, (n) => log.info({ tripId: n }, 'trip erased'));
  times(100, () => log.debug('detail'));
  times(100, () => log.fatal('the end'));
  expect(lines()).toHaveLength(300);
});

test('how many were held back is told when the minute is over, at the same level', async () => {
  const told = new Promise<[object, string]>((resolve) => {
    const repeats = new Repeats(50);
    const write = (fields: object, message: string) => resolve([fields, message]);
    times(100, (n) => repeats.admits({ message: 'login refused', remoteAddress: n < 90 ? 'a' : 'b', write }));
  });
  expect(await told).toEqual([
    { of: 'login refused', more: 90, withinMs: 50, addresses: 2, mostFrom: 'a', linesFromIt: 90 },
    'more of the same',
  ]);
});

test('after that it begins anew', () => {
  const repeats = new Repeats(0);
  const admitted = Array.from({ length: 100 }, () =>
    repeats.admits({ message: 'x', remoteAddress: undefined, write: () => undefined }),
  );
  expect(admitted).not.toContain(false);
});

test('a thousand kinds of messages are not kept apart without end', () => {
  const { log, lines } = keptLog('info');
  times(5000, (n) => log.warn(`message ${n}`));
  expect(lines()).toHaveLength(530);
});
