import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';

export type Received = { topic: string; payload: unknown; retain: boolean; qos: number };

/** mqtt.js with what it received kept, for tests to wait on. */
export type TestClient = {
  client: MqttClient;
  received: readonly Received[];
  /** The first message received so far, or from now on, that fits. Fails after `timeoutMs`. */
  next(fits: (message: Received) => boolean, timeoutMs?: number): Promise<Received>;
  end(): Promise<void>;
};

/** Connects with a token and does not reconnect; rejects with mqtt.js' error (`code` is the CONNACK code). */
export async function connectClient(
  url: string,
  token: string,
  options: IClientOptions = {},
): Promise<TestClient> {
  const client = await connectAsync(
    url,
    { password: token, username: 'x', reconnectPeriod: 0, ...options },
    false,
  );
  return watch(client);
}

/** Wraps a client that was made otherwise. */
export function watch(client: MqttClient): TestClient {
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  client.on('error', () => undefined);
  client.on('message', (topic, payload, packet: IPublishPacket) => {
    received.push({ topic, payload: parse(payload), retain: packet.retain, qos: packet.qos });
    for (const check of waiting) check();
  });
  return {
    client,
    received,
    next(fits, timeoutMs = 20_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(check);
          reject(new Error(`no such message within ${timeoutMs} ms; received: ${JSON.stringify(received)}`));
        }, timeoutMs);
        const check = () => {
          const found = received.find(fits);
          if (found === undefined) return;
          clearTimeout(timer);
          waiting.delete(check);
          resolve(found);
        };
        waiting.add(check);
        check();
      });
    },
    end: () => client.endAsync(true),
  };
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString());
  } catch {
    return payload.toString();
  }
}
