import type { Measured } from './generator.ts';
import type { ConnectionsResult } from './scenarios/connections.ts';
import type { ExportResult } from './scenarios/export.ts';
import type { NearbyResult } from './scenarios/nearby.ts';
import type { TimesToDatabase } from './stored.ts';

/** One run of drivers and riders. Durations in ms, CPU in µs a position. */
export type TrafficRow = {
  scenario: string;
  rate: number;
  sent: number;
  acknowledged: number;
  expected: number;
  delivered: number;
  /** Undefined: nothing is stored there. With the warm-up, beside what was sent with it. */
  stored?: { count: number; of: number };
  skipped: number;
  puback: Measured['load']['puback'];
  rider: Measured['load']['rider'];
  toDatabase?: TimesToDatabase;
  generatorLag: Measured['load']['generatorLag'];
  cpuMicroseconds: Record<string, number>;
  cpuMicrosecondsInAll: number;
  rssBytes: Record<string, number>;
};

export type Results = {
  at: string;
  machine: { cpu: string; cores: number; memoryBytes: number; node: string; system: string };
  traffic: TrafficRow[];
  connections: (ConnectionsResult & { scenario: string })[];
  nearby: NearbyResult[];
  exports: ExportResult[];
};

export function trafficRow(
  scenario: string,
  rate: number,
  measured: Measured & { stored?: { count: number; toDatabase?: TimesToDatabase } },
): TrafficRow {
  const { load, cpuSeconds, rssBytes, stored } = measured;
  const { sent, sentInAll, acknowledged, expected, delivered, skipped, puback, rider, generatorLag } = load;
  const cpuMicroseconds = Object.fromEntries(
    Object.entries(cpuSeconds).map(([name, seconds]) => [name, (seconds / sent) * 1e6]),
  );
  return {
    scenario,
    rate,
    sent,
    acknowledged,
    expected,
    delivered,
    ...(stored === undefined ? {} : { stored: { count: stored.count, of: sentInAll } }),
    ...(stored?.toDatabase === undefined ? {} : { toDatabase: stored.toDatabase }),
    skipped,
    puback,
    rider,
    generatorLag,
    cpuMicroseconds,
    cpuMicrosecondsInAll: Object.values(cpuMicroseconds).reduce((sum, value) => sum + value, 0),
    rssBytes,
  };
}
