import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Counter, Histogram, Registry } from 'prom-client';
import { HistogramBy, plainHistogram, Tally } from '../../shared/telemetry/hot-metrics.ts';

const BOUNDS = [0.001, 0.01, 0.1, 1];
const described = { name: 'some_seconds', help: 'Some' };
const values = ['accepted', 'duplicate', 'TOO_OLD'] as const;

/** Without the order of labels. */
const linesOf = async (registry: Registry) =>
  (await registry.metrics())
    .split('\n')
    .map((line) =>
      line.replace(/\{(.*)\}/, (_whole, labels: string) => `{${labels.split(',').sort().join(',')}}`),
    );

test('a histogram shows what prom-client would', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.constantFrom(...BOUNDS), fc.double({ min: 0, max: 2, noNaN: true }))),
      async (seconds) => {
        const [ours, theirs] = [new Registry(), new Registry()];
        const histogram = plainHistogram(ours, described, BOUNDS);
        const reference = new Histogram({ ...described, buckets: BOUNDS, registers: [theirs] });
        for (const value of seconds) {
          histogram.observe(value);
          reference.observe(value);
        }
        if (seconds.length === 0) reference.zero({});
        expect(await linesOf(ours)).toEqual(await linesOf(theirs));
      },
    ),
    { numRuns: 50 },
  );
});

test('one by a label, too', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const histogram = new HistogramBy(ours, described, 'operation', BOUNDS);
  const reference = new Histogram({
    ...described,
    labelNames: ['operation'],
    buckets: BOUNDS,
    registers: [theirs],
  });
  for (const [operation, value] of [
    ['a', 0.5],
    ['b', 0.001],
    ['a', 5],
  ] as const) {
    histogram.of(operation).observe(value);
    reference.observe({ operation }, value);
  }
  expect(await linesOf(ours)).toEqual(await linesOf(theirs));
});

test('a tally shows every value of its label from the beginning, and counts as prom-client would', async () => {
  const [ours, theirs] = [new Registry(), new Registry()];
  const named = { name: 'some_total', help: 'Some' };
  const tally = new Tally(ours, named, 'verdict', values);
  const reference = new Counter({ ...named, labelNames: ['verdict'], registers: [theirs] });
  for (const verdict of values) reference.inc({ verdict }, 0);
  expect(await linesOf(ours)).toEqual(await linesOf(theirs));
  for (const [verdict, by] of [
    ['duplicate', 1],
    ['accepted', 500],
    ['duplicate', 2],
  ] as const) {
    tally.count(verdict, by);
    reference.inc({ verdict }, by);
    expect(await linesOf(ours)).toEqual(await linesOf(theirs));
  }
});

test('a tally makes no series of what it does not know', async () => {
  const registry = new Registry();
  const tally = new Tally(registry, { name: 'some_total', help: 'Some' }, 'verdict', values);
  const before = await registry.metrics();
  for (const wild of ['constructor', '__proto__', 'driver-1', '']) tally.count(wild as never);
  expect(await registry.metrics()).toBe(before);
});
