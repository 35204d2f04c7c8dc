import type { QueuedPacket, SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { FleetBroker } from './fleet-broker.ts';
import type { SessionClient } from './session.ts';

/** Set on a message that is sent out of the queue of its session. */
export const FROM_QUEUE = Symbol('from queue');

/**
 * A session that is taken up again gets what waited, and then what is live. Aedes subscribes it first and sends its queue then: what
 * is published meanwhile would overtake what waited. So it is held; it stands in the queue as well, and goes out from there.
 */
export function takeUpInOrder(broker: FleetBroker, store: SessionStore, log: Logger): void {
  broker.on('clientReady', (aedesClient) => {
    const client = aedesClient as SessionClient;
    sendHeld(client, store).catch((error: unknown) => {
      log.warn(
        { err: error, clientId: client.id },
        'closed: its queue could not be read; it waits for its return',
      );
      client.close();
    });
  });
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
    for await (const packet of store.outgoingStream(client))
      if (packet.cmd === 'publish' && packet.messageId === undefined) await send(client, packet);
  }
}

/** As Aedes sends what is live. It was seen already, when it was held: that it is no double is known here. */
async function send(client: SessionClient, packet: QueuedPacket): Promise<void> {
  const { brokerId, brokerCounter } = packet;
  if (brokerId === undefined || brokerCounter === undefined) return;
  const newest = client.duplicates[brokerId] ?? 0;
  client.duplicates[brokerId] = brokerCounter - 1;
  await new Promise<void>((resolve) => client.deliverQoS({ ...packet, [FROM_QUEUE]: true }, () => resolve()));
  client.duplicates[brokerId] = Math.max(newest, client.duplicates[brokerId] ?? 0);
}
