import type { Registry } from 'prom-client';
import { Gauge } from 'prom-client';
import { watch } from '../shared/telemetry/watch.ts';
import type { SessionClient } from './session.ts';

/** Shows what the clients of this broker hold, counted when somebody asks: nothing is kept for it. */
export function watchClients(registry: Registry, everyClient: () => readonly SessionClient[]): void {
  const sum = (of: (client: SessionClient) => number) =>
    everyClient().reduce((total, client) => total + of(client), 0);
  new Gauge({
    name: 'fleetcast_sessions',
    help: 'MQTT sessions that are connected to this process: clean, or persistent (kept while their client is away)',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      const persistent = sum(({ clean }) => (clean ? 0 : 1));
      this.set({ kind: 'persistent' }, persistent);
      this.set({ kind: 'clean' }, everyClient().length - persistent);
    },
  });
  watch(registry, 'fleetcast_subscriptions', 'Filters that the clients of this process hold', () =>
    sum(({ session }) => session?.filters.size ?? 0),
  );
  watch(
    registry,
    'fleetcast_send_buffer_bytes',
    'What the clients of this process have not read yet, in its memory',
    () => sum(({ conn }) => conn.writableLength),
  );
}
