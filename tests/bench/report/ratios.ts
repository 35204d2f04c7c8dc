import type { TrafficRow } from '../results.ts';

export type Ratio = { rate: number; peer: string; ratio: number };

/** Where a relay was measured at the same rate: what our whole job costs beside it, CPU by CPU, the middle of all runs of each. */
export function ratios(rows: readonly TrafficRow[]): Ratio[] {
  const costs = (scenario: (name: string) => boolean, rate: number) =>
    rows
      .filter((row) => row.rate === rate && scenario(row.scenario))
      .map((row) => row.cpuMicrosecondsInAll)
      .toSorted((a, b) => a - b);
  const rates = [...new Set(rows.map(({ rate }) => rate))];
  const peers = [
    ...new Set(rows.flatMap(({ scenario }) => /^relay: (\w+), QoS 1$/.exec(scenario)?.[1] ?? [])),
  ];
  return rates.flatMap((rate) =>
    peers.flatMap((peer) => {
      const ours = median(costs((name) => name.startsWith('steady'), rate));
      const theirs = median(costs((name) => name === `relay: ${peer}, QoS 1`, rate));
      return ours === undefined || theirs === undefined ? [] : [{ rate, peer, ratio: ours / theirs }];
    }),
  );
}

function median(sorted: readonly number[]): number | undefined {
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  if (upper === undefined || !Number.isInteger(middle)) return upper;
  return (upper + (sorted[middle - 1] ?? upper)) / 2;
}
