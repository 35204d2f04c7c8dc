import { connect, type Socket } from 'node:net';
import { connectFrame, subscribeFrame } from './frames.ts';
import { type OnPacket, PacketReader } from './packets.ts';
import { FrameReader, upgrade, webSocketFrame } from './web-socket.ts';

const CONNACK = 0x20;
const SUBACK = 0x90;

export type Address = { host: string; port: number; transport: 'TCP' | 'WEBSOCKET' };

/** Longest for a connection to be there and its login answered. */
const ANSWER_MS = 60_000;

/** A raw MQTT connection that has been let in. What comes later goes to `onPacket`. */
export class LoadClient {
  /** Set when the other side has closed. */
  closed = false;
  onPacket: OnPacket = () => undefined;
  private readonly socket: Socket;
  private readonly isFramed: boolean;
  private onAnswer: OnPacket | undefined;

  private constructor(socket: Socket, isFramed: boolean) {
    this.socket = socket;
    this.isFramed = isFramed;
    socket.once('close', () => {
      this.closed = true;
    });
    // What follows is the close
    socket.on('error', () => undefined);
  }

  /** @throws Error when it is not let in */
  static async connect(
    { host, port, transport }: Address,
    clientId: string,
    password: string,
  ): Promise<LoadClient> {
    const socket = connect({ host, port, noDelay: true });
    const client = new LoadClient(socket, transport === 'WEBSOCKET');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const packets = new PacketReader((first, bytes, start, end) =>
      client.onAnswer === undefined
        ? client.onPacket(first, bytes, start, end)
        : client.onAnswer(first, bytes, start, end),
    );
    if (client.isFramed) {
      const early = await upgrade(socket, `${host}:${port}`);
      const frames = new FrameReader(socket, (payload) => packets.read(payload));
      socket.on('data', (chunk) => frames.read(chunk));
      if (early.length > 0) frames.read(early);
    } else socket.on('data', (chunk) => packets.read(chunk));
    const code = await client.ask(
      connectFrame(clientId, password),
      CONNACK,
      (bytes, start) => bytes[start + 1],
    );
    if (code !== 0) throw new Error(`CONNACK ${code} for ${clientId}`);
    return client;
  }

  /** @throws Error when it is refused */
  async subscribe(filter: string, qos: 0 | 1): Promise<void> {
    const granted = await this.ask(
      subscribeFrame(1, filter, qos),
      SUBACK,
      (bytes, start) => bytes[start + 2],
    );
    if (granted === 0x80) throw new Error(`the filter ${filter} is refused`);
  }

  send(bytes: Buffer): void {
    this.socket.write(this.isFramed ? webSocketFrame(bytes) : bytes);
  }

  /** Bytes that the other side has not taken yet. */
  get waiting(): number {
    return this.socket.writableLength;
  }

  end(): void {
    this.socket.destroy();
  }

  private ask<T>(request: Buffer, answer: number, read: (bytes: Buffer, start: number) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = () => {
        clearTimeout(timer);
        reject(new Error('closed without an answer'));
      };
      const timer = setTimeout(() => {
        this.socket.destroy();
        reject(new Error(`no answer within ${ANSWER_MS} ms`));
      }, ANSWER_MS);
      this.socket.once('close', fail);
      this.onAnswer = (first, bytes, start, end) => {
        if (first !== answer) return this.onPacket(first, bytes, start, end);
        clearTimeout(timer);
        this.socket.off('close', fail);
        this.onAnswer = undefined;
        resolve(read(bytes, start));
      };
      this.send(request);
    });
  }
}
