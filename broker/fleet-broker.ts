import { Aedes, type AedesOptions, type Client } from 'aedes';

/**
 * Set on a packet that our own chain has dealt with: Aedes acknowledges it (PUBACK, PUBREC) and does no more: it is
 * not retained, queued or handed to subscribers as the client sent it.
 */
export const DEALT_WITH = Symbol('dealt with');

type Packet = { [DEALT_WITH]?: boolean };
type Done = (error?: Error) => void;

type Publish = (packet: Packet, client: Client | Done | null, done?: Done) => void;
type Registry = { clients: Record<string, Client>; connectedClients: number };

export class FleetBroker extends Aedes {
  static async start(options: AedesOptions): Promise<FleetBroker> {
    const broker = new FleetBroker(options);
    await broker.listen();
    return broker;
  }

  // @ts-expect-error Aedes calls it with the client in the middle; its types show only the public form
  override publish(packet: Packet, client: Client | Done | null, done?: Done): void {
    const callback = typeof client === 'function' ? client : done;
    if (packet[DEALT_WITH]) return callback?.();
    (Aedes.prototype.publish as unknown as Publish).call(this, packet, client, done);
  }

  /**
   * A client that was taken over may come to its end after the new one has its place: then the place is not its
   * own to clear.
   */
  unregisterClient(client: Client): void {
    const registry = this as unknown as Registry;
    if (registry.clients[client.id] === client) delete registry.clients[client.id];
    registry.connectedClients--;
    this.emit('clientDisconnect', client);
  }

  /** Every client that is connected now. */
  everyClient(): Client[] {
    return Object.values((this as unknown as Registry).clients);
  }
}
