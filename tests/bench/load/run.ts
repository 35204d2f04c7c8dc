import { setTimeout as sleep } from 'node:timers/promises';
import { type Address, LoadClient } from './client.ts';
import { ConvoyTraffic, type Observe } from './convoy-traffic.ts';
import { publishTemplate } from './frames.ts';
import { inTurn } from './in-turn.ts';
import { Latencies } from './latencies.ts';
import type { Convoy, LoadEvent, LoadResult, Plan } from './plan.ts';

/** Logins under way at a time. */
const CONCURRENT_LOGINS = 100;

/** Connects everybody, sends at the planned rate, and waits for what is on its way. */
export async function runLoad(plan: Plan, tell: (event: LoadEvent) => void): Promise<LoadResult> {
  const tally = { acknowledged: 0, delivered: 0 };
  const puback = new Latencies();
  const rider = new Latencies();
  const lag = new Latencies();
  const observe = {
    acknowledged(sentAt: number, isMeasured: boolean) {
      if (!isMeasured) return;
      tally.acknowledged++;
      puback.record(performance.now() - sentAt);
    },
    delivered(sentAt: number, isMeasured: boolean) {
      if (!isMeasured) return;
      tally.delivered++;
      rider.record(performance.now() - sentAt);
    },
  };

  const begun = performance.now();
  const traffic = await inTurn(plan.convoys, CONCURRENT_LOGINS, async (convoy, index) =>
    connectConvoy(plan, convoy, index, observe),
  );
  tell({ event: 'connected', seconds: (performance.now() - begun) / 1000 });

  let sent = 0;
  let sentInAll = 0;
  let expected = 0;
  let skipped = 0;
  let turn = 0;
  const total = Math.round(plan.rate * (plan.warmUpSeconds + plan.seconds));
  const firstMeasured = Math.round(plan.rate * plan.warmUpSeconds);
  const perMs = plan.rate / 1000;
  const start = performance.now();
  let from = 0;
  for (let done = 0; done < total; ) {
    const now = performance.now();
    const due = Math.min(total, Math.floor((now - start) * perMs));
    const epochMs = Date.now();
    for (; done < due; done++) {
      const isMeasured = done >= firstMeasured;
      if (isMeasured && from === 0) {
        from = epochMs;
        tell({ event: 'measuring' });
      }
      const convoy = traffic[turn++ % traffic.length] as ConvoyTraffic;
      const at = performance.now();
      if (isMeasured) lag.record(at - start - done / perMs);
      if (!convoy.send(at, epochMs, isMeasured)) {
        skipped++;
        continue;
      }
      sentInAll++;
      if (!isMeasured) continue;
      sent++;
      expected += convoy.followers.length;
    }
    await sleep(1);
  }
  const to = Date.now();
  tell({ event: 'sent-all' });
  for (const end = performance.now() + plan.settleMs; performance.now() < end; await sleep(20))
    if ((plan.qos === 0 || tally.acknowledged >= sent) && tally.delivered >= expected) break;
  const clients = traffic.flatMap(({ driver, followers }) => [driver, ...followers]);
  const closed = clients.filter((client) => client.closed).length;
  for (const client of clients) client.end();
  return {
    sentInAll,
    sent,
    ...tally,
    expected,
    skipped,
    closed,
    from,
    to,
    puback: puback.quantiles(),
    rider: rider.quantiles(),
    generatorLag: lag.quantiles(),
  };
}

async function connectConvoy(
  { host, mqttPorts, wsPorts, qos }: Plan,
  { driver, followers }: Convoy,
  index: number,
  observe: Observe,
): Promise<ConvoyTraffic> {
  const port = mqttPorts[index % mqttPorts.length] as number;
  const wsPort = wsPorts[index % wsPorts.length];
  const door: Address =
    wsPort === undefined ? { host, port, transport: 'TCP' } : { host, port: wsPort, transport: 'WEBSOCKET' };
  // The followers first: nothing that the driver sends is to be missed
  const following = await inTurn(
    followers,
    CONCURRENT_LOGINS,
    async ({ clientId, password, filter, qos }) => {
      const client = await LoadClient.connect(door, clientId, password);
      await client.subscribe(filter, qos);
      return client;
    },
  );
  const sender = await LoadClient.connect({ host, port, transport: 'TCP' }, driver.clientId, driver.password);
  return new ConvoyTraffic(sender, following, publishTemplate(driver.topic, qos, index), observe);
}
