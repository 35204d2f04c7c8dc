import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Platform } from '../platform.ts';

const RECONNECT_MS = 200;
const ANSWER_MS = 5000;

/** What is known of a client that goes to any broker that takes it, as the apps do. */
export type RoamingClient = {
  client: MqttClient;
  /** CONNACKs with another code than 0. */
  refusals: number[];
  /** How long it was away (ms) each time that it lost its connection, until it was let in again. */
  gaps: number[];
  /** How often a session that was to be kept was not there any more. */
  forgotten: number;
};

/** mqtt.js with the addresses of all brokers, beginning at `first`. Resolves when it is let in for the first time. */
export async function roam(
  brokers: readonly Platform[],
  first: number,
  protocol: 'mqtt' | 'ws',
  options: IClientOptions,
): Promise<RoamingClient> {
  const inTurn = brokers.map((_, index) => brokers[(first + index) % brokers.length] as Platform);
  const roaming: RoamingClient = {
    client: connect({
      // Here too: without it mqtt.js forgets the path
      protocol,
      servers: inTurn.map(({ ports }) => ({
        protocol,
        host: '127.0.0.1',
        port: protocol === 'mqtt' ? ports.mqtt : ports.ws,
      })),
      path: '/mqtt',
      username: 'x',
      keepalive: 10,
      reconnectPeriod: RECONNECT_MS,
      connectTimeout: ANSWER_MS,
      ...options,
    }),
    refusals: [],
    gaps: [],
    forgotten: 0,
  };
  const { client, refusals, gaps } = roaming;
  let lostAt: number | undefined;
  client.on('error', (error) => {
    const { code } = error as { code?: unknown };
    if (typeof code === 'number') refusals.push(code);
  });
  client.on('close', () => {
    lostAt ??= Date.now();
  });
  // Its event `connect` waits until all that was not acknowledged has been sent again, and acknowledged
  client.on('packetreceive', (packet) => {
    if (packet.cmd !== 'connack' || packet.returnCode !== 0) return;
    if (lostAt !== undefined) {
      gaps.push(Date.now() - lostAt);
      if (options.clean === false && !packet.sessionPresent) roaming.forgotten++;
    }
    lostAt = undefined;
  });
  await new Promise<void>((resolve) => client.once('connect', () => resolve()));
  return roaming;
}
