import { machine } from './machine.ts';
import type { BenchOptions, PeerName } from './options.ts';
import { startAedes } from './peers/aedes.ts';
import { startMosquitto } from './peers/mosquitto.ts';
import type { Peer } from './peers/peer.ts';
import { type Results, trafficRow } from './results.ts';
import { runConnections } from './scenarios/connections.ts';
import { runExport } from './scenarios/export.ts';
import { runNearby } from './scenarios/nearby.ts';
import { runRelay } from './scenarios/relay.ts';
import { runSteady } from './scenarios/steady.ts';
import { runWideRider } from './scenarios/wide-rider.ts';
import { openClustered, openEmbedded, type Stage } from './stage.ts';

const WARM_UP_SECONDS = 5;
const starters: Record<PeerName, () => Promise<Peer>> = { mosquitto: startMosquitto, aedes: startAedes };

/** From where `break` goes on in such steps, until it breaks. */
const BREAK_STEP = 2500;
const BREAK_MOST = 50_000;
/** A rate is not sustained any more when that much comes late, or not at all. */
const BROKEN_P99_MS = 1000;

export async function runBench(options: BenchOptions, say: (line: string) => void): Promise<Results> {
  const results: Results = {
    at: new Date().toISOString(),
    machine: machine(),
    traffic: [],
    connections: [],
    nearby: [],
    exports: [],
  };
  const wanted = (name: BenchOptions['scenarios'][number]) => options.scenarios.includes(name);
  if (wanted('steady')) await on(openClustered(), (stage) => steady(stage, options, results, say));
  if (wanted('break')) await on(openClustered(), (stage) => untilItBreaks(stage, options, results, say));
  if (wanted('connections'))
    await on(openClustered(), async (stage) => {
      say('15,000 connections');
      const asked = { connections: 15_000, concurrency: 200, comeBack: false };
      results.connections.push({ scenario: 'one broker', ...(await runConnections(stage, asked)) });
    });
  if (wanted('brokers'))
    await on(openClustered(4), async (stage) => {
      say('50,000 connections over four brokers');
      const asked = { connections: 50_000, concurrency: 200, comeBack: false };
      results.connections.push({ scenario: 'four brokers', ...(await runConnections(stage, asked)) });
    });
  if (wanted('storm'))
    await on(openClustered(), async (stage) => {
      say('10,000 connections lost, and back, at once');
      const asked = { connections: 10_000, concurrency: 200, comeBack: true };
      results.connections.push({ scenario: 'reconnect storm', ...(await runConnections(stage, asked)) });
    });
  if (wanted('nearby') || wanted('export') || wanted('wide'))
    await on(openClustered(), async (stage) => {
      if (wanted('wide')) {
        say('1,000 followers of one trip');
        const wide = { followers: 1000, rate: 10, seconds: options.seconds };
        results.traffic.push(trafficRow('1,000 followers of one trip', 10, await runWideRider(stage, wide)));
      }
      if (wanted('nearby'))
        for (const drivers of [100_000, 1_000_000]) {
          say(`nearby among ${drivers}`);
          results.nearby.push(await runNearby(stage, drivers, 5000));
        }
      if (wanted('export')) {
        say('history of 1,000,000 rows');
        results.exports.push(await runExport(stage, 1_000_000));
      }
    });
  if (wanted('embedded')) await on(openEmbedded(), (stage) => embedded(stage, options, results, say));
  return results;
}

async function on(opening: Promise<Stage>, work: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = await opening;
  try {
    await work(stage);
  } finally {
    await stage.stop();
  }
}

/** Ours and the peers in turn, rate by rate: what the machine does meanwhile happens to all of them. */
async function steady(
  stage: Stage,
  { rates, seconds, pairs, peers }: BenchOptions,
  results: Results,
  say: (line: string) => void,
): Promise<void> {
  for (const rate of rates) {
    const run = { pairs, rate, seconds, warmUpSeconds: WARM_UP_SECONDS };
    for (const ridersOver of ['TCP', 'WEBSOCKET'] as const) {
      for (const peerName of peers) {
        say(`${peerName} as a relay at ${rate}/s`);
        const peer = await starters[peerName]();
        try {
          const measured = await runRelay(peer, { ...run, qos: 1 });
          results.traffic.push(trafficRow(`relay: ${peerName}, QoS 1`, rate, measured));
        } finally {
          await peer.stop();
        }
      }
      say(`${rate}/s, riders over ${ridersOver}`);
      const name = `steady, riders over ${ridersOver === 'TCP' ? 'TCP' : 'WebSocket'}`;
      results.traffic.push(trafficRow(name, rate, await runSteady(stage, { ...run, ridersOver })));
    }
  }
}

async function untilItBreaks(
  stage: Stage,
  { seconds, pairs }: BenchOptions,
  results: Results,
  say: (line: string) => void,
): Promise<void> {
  for (let rate = 10_000 + BREAK_STEP; rate <= BREAK_MOST; rate += BREAK_STEP) {
    say(`${rate}/s, to see whether it breaks`);
    const run = { pairs, rate, seconds, warmUpSeconds: WARM_UP_SECONDS, ridersOver: 'TCP' as const };
    const row = trafficRow('until it breaks', rate, await runSteady(stage, run));
    results.traffic.push(row);
    const isKept = row.skipped === 0 && row.acknowledged === row.sent && row.delivered === row.expected;
    if (!isKept || row.rider.p99 > BROKEN_P99_MS) return;
  }
}

const EMBEDDED_RATE = 3000;

async function embedded(
  stage: Stage,
  { seconds, pairs }: BenchOptions,
  results: Results,
  say: (line: string) => void,
): Promise<void> {
  say(`embedded at ${EMBEDDED_RATE}/s`);
  const run = {
    pairs,
    rate: EMBEDDED_RATE,
    seconds,
    warmUpSeconds: WARM_UP_SECONDS,
    ridersOver: 'WEBSOCKET' as const,
  };
  results.traffic.push(
    trafficRow('embedded, riders over WebSocket', EMBEDDED_RATE, await runSteady(stage, run)),
  );
}
