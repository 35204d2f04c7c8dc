import type { ConnectPacket, Subscription } from 'aedes';
import type { Identity } from '../shared/auth/identity.ts';
import type { DeliveryRules } from './deliver.ts';
import type { FleetBroker } from './fleet-broker.ts';
import type { Incoming } from './incoming.ts';
import type { LoginRefusal, Session, SessionClient } from './session.ts';

/**
 * What the broker allows, and what becomes of a message. The broker itself speaks MQTT: its listeners, limits, sessions, queues and the order of
 * acknowledgements are the same whatever this says.
 */
export type Policy = {
  /**
   * Whose CONNECT is it? The client id gets the name space of this `sub`.
   * @throws TokenError when nobody's, or when that can't be found out now
   */
  identify(packet: ConnectPacket): Promise<Identity>;
  /** May this client be connected, now? undefined: yes, and until its connection closes it is. */
  admit(client: SessionClient, session: Session): Promise<LoginRefusal | undefined>;
  /** Does the broker hand on what is published: to retain, queue and deliver it? If not, `publish` deals with all of it. */
  relays: boolean;
  /** A PUBLISH or a last will. It is acknowledged (or, where it is relayed, goes on) when `incoming.acknowledge()` is called. */
  publish(incoming: Incoming): void;
  /** Is this filter granted? If not, SUBACK says so and the connection stays. A rejection leaves open what is right. */
  subscribe(client: SessionClient, session: Session, subscription: Subscription): boolean | Promise<boolean>;
  /** A message on its way to a subscriber. */
  deliveries: DeliveryRules;
  /** The broker is made, and nobody is connected yet. */
  attach(broker: FleetBroker): void;
  /** The end of a connection, also of one that never was let in. */
  closed(client: SessionClient): void;
  /** No new connections come. Those that are there, are let go after this. */
  stop(): void;
};
