import { type Measured, measure } from '../generator.ts';
import type { Convoy } from '../load/plan.ts';
import type { Peer } from '../peers/peer.ts';

export type RelayOptions = {
  pairs: number;
  rate: number;
  seconds: number;
  warmUpSeconds: number;
  qos: 0 | 1;
};

const SETTLE_MS = 10_000;

/** The same clients with a broker that does no more than hand on: one publisher to one subscriber. */
export function runRelay(peer: Peer, options: RelayOptions): Promise<Measured> {
  const convoys = Array.from({ length: options.pairs }, (_, index): Convoy => {
    const topic = `drivers/driver-${index}/location`;
    return {
      driver: { clientId: `driver-${index}`, password: 'x', topic },
      followers: [{ clientId: `rider-${index}`, password: 'x', filter: topic, qos: options.qos }],
    };
  });
  const { rate, warmUpSeconds, seconds, qos } = options;
  return measure(
    {
      host: '127.0.0.1',
      mqttPorts: [peer.port],
      wsPorts: [],
      convoys,
      qos,
      rate,
      warmUpSeconds,
      seconds,
      settleMs: SETTLE_MS,
    },
    peer.meters,
  );
}
