import type { AedesOptions } from 'aedes';
import type { SessionStore } from '../shared/session-store/index.ts';
import type { Step } from '../shared/telemetry/traces/index.ts';
import { DEALT_WITH } from './fleet-broker.ts';
import type { Session, SessionClient } from './session.ts';

type Packet = {
  topic: string;
  payload: string | Buffer;
  qos: number;
  dup?: boolean;
  messageId?: number;
  [DEALT_WITH]?: boolean;
};

/** One publish on its way through the broker. */
export type Incoming = {
  client: SessionClient;
  session: Session;
  packet: Packet;
  /** The id in the topic, for whoever reads the topic. */
  id: string;
  /** Epoch ms. */
  receivedAt: number;
  acknowledge(): void;
  /** It is the last will of a connection that was lost, not what its client said before it hung up. */
  isWill: boolean;
  /** All that its client sent before is acknowledged. */
  isFirst: boolean;
  /** Where it is traced. */
  step: Step | undefined;
};

/**
 * PUBLISH: it all happens in Aedes' `authorizePublish`, since Aedes sends the acknowledgement right after it and publishes only then.
 * Acknowledgements leave in the order of the messages.
 */
export function createPublishHandler(
  { relays, publish }: { relays: boolean; publish(incoming: Incoming): void },
  sessionStore: Pick<SessionStore, 'incomingGetPacket'>,
): NonNullable<AedesOptions['authorizePublish']> {
  /** A QoS 2 message sent again, of which the first may have come, or not (MQTT 3.1.1, 4.3.3). */
  function handleRepeated(incoming: Incoming): void {
    // Aedes looks for what it has already only after this hook: a position without a time would be stored twice
    incoming.session.acks.afterEarlier(() => {
      sessionStore.incomingGetPacket(incoming.client, incoming.packet).then(incoming.acknowledge, () => {
        incoming.isFirst = true;
        publish(incoming);
      });
    });
  }

  return (aedesClient, aedesPacket, callback) => {
    const client = aedesClient as SessionClient | null;
    const packet = aedesPacket as Packet;
    const session = client?.session;
    if (client === null || session === undefined) return callback(new Error('no session'));
    if (!relays) packet[DEALT_WITH] = true;
    const incoming: Incoming = {
      client,
      session,
      packet,
      id: '',
      receivedAt: Date.now(),
      // A will comes when the connection is closed: nothing is acknowledged any more
      acknowledge: client.closed ? () => callback(null) : session.acks.take(() => callback(null)),
      isWill: client.closed,
      isFirst: false,
      step: undefined,
    };
    if (packet.qos === 2 && packet.dup) handleRepeated(incoming);
    else publish(incoming);
  };
}
