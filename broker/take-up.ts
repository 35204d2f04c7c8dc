import type { QueuedPacket, SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { FleetBroker } from './fleet-broker.ts';
import { insist } from './insist.ts';
import { aboutClient, type SessionClient } from './session.ts';

/** Set on a message that is not live: it waited in the queue of its session, or was lost on its way and is made up for. */
export const WAITED = Symbol('waited');

/**
 * A session that is taken up again gets what waited, and then what is live. Aedes subscribes it first and sends its queue then: what
 * is published meanwhile would overtake what waited. So it is held; it stands in the queue as well, and goes out from there.
 */
export function takeUpInOrder(broker: FleetBroker, store: SessionStore, log: Logger): void {
  broker.on('clientReady', (aedesClient) => {
    const client = aedesClient as SessionClient;
    sendHeld(client, store).catch((error: unknown) => {
      log.warn(
        { err: error, ...aboutClient(client) },
        'closed: its queue could not be read; it waits for its return',
      );
      client.close();
    });
  });
}

/**
 * Sends a connected client what waits in the queue of its session: it stands there and never came, since it was lost on its way. What is
 * live comes after it. Resolves when it has gone out, at once where there is no such queue; never when the client goes before.
 */
export async function sendWaiting(client: SessionClient, store: SessionStore, log: Logger): Promise<void> {
  const { session } = client;
  if (session === undefined || client.clean) return;
  const sent = new Promise<void>((resolve) => session.whenTakenUp.push(resolve));
  // Whoever is sending it already looks once more
  if (session.held !== undefined) session.held++;
  else {
    session.held = 1;
    insist(
      () => sendHeld(client, store),
      () => !client.closed,
      (err) => log.debug({ err, ...aboutClient(client) }, 'a queue could not be read; trying again'),
    ).catch(() => log.debug(aboutClient(client), 'it left before its queue could be read'));
  }
  await sent;
}

async function sendHeld(client: SessionClient, store: SessionStore): Promise<void> {
  const { session } = client;
  while (session?.held !== undefined && !client.closed) {
    if (session.held === 0) {
      session.held = undefined;
      for (const follow of session.whenTakenUp.splice(0)) follow();
      return;
    }
    session.held = 0;
    try {
      for await (const packet of store.outgoingStream(client))
        if (packet.cmd === 'publish' && packet.messageId === undefined) await send(client, packet);
    } catch (error) {
      session.held++;
      throw error;
    }
  }
}

/** As Aedes sends what is live. It was seen already, when it was held: that it is no double is known here. */
async function send(client: SessionClient, packet: QueuedPacket): Promise<void> {
  const { brokerId, brokerCounter } = packet;
  if (brokerId === undefined || brokerCounter === undefined) return;
  const newest = client.duplicates[brokerId] ?? 0;
  client.duplicates[brokerId] = brokerCounter - 1;
  await new Promise<void>((resolve) => client.deliverQoS({ ...packet, [WAITED]: true }, () => resolve()));
  client.duplicates[brokerId] = Math.max(newest, client.duplicates[brokerId] ?? 0);
}
