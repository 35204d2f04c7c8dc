import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { type ClientOptions, WebSocket } from 'ws';
import { RawConnection } from './raw-mqtt.ts';

/** A WebSocket, and the MQTT bytes that come over it; every `send` is a frame. */
export async function openWebSocket(
  url: string,
  options: ClientOptions = {},
): Promise<{ socket: WebSocket; raw: RawConnection; frames: number[] }> {
  const socket = new WebSocket(url, 'mqtt', { perMessageDeflate: false, ...options });
  const frames: number[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => socket.send(chunk, done),
  });
  socket.on('message', (data: Buffer) => {
    frames.push(data.length);
    stream.push(data);
  });
  socket.on('close', () => stream.destroy());
  await once(socket, 'open');
  return { socket, raw: new RawConnection(stream), frames };
}
