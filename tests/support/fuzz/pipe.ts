import { connect as connectTcp } from 'node:net';
import { WebSocket } from 'ws';
import type { Ports } from '../platform.ts';

/** A connection to the broker, by either way in, as the fuzzer needs it. */
export type Pipe = {
  transport: 'tcp' | 'ws';
  /** Resolves when it is open; rejects when it can't be. */
  opened: Promise<void>;
  /** Resolves when it is closed, from whatever side. */
  closed: Promise<void>;
  isOpen(): boolean;
  onData(listener: (chunk: Buffer) => void): void;
  /** A segment, or a frame. */
  write(bytes: Buffer): void;
  /** No more comes from here. */
  end(): void;
  /** Without a word: a reset, where there is such a thing. */
  cut(): void;
};

export function openPipe(transport: Pipe['transport'], ports: Ports): Pipe {
  return transport === 'tcp' ? tcpPipe(ports.mqtt) : webSocketPipe(ports.ws);
}

function tcpPipe(port: number): Pipe {
  const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined);
  // What is never read never comes to its end
  socket.resume();
  return {
    transport: 'tcp',
    opened: new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    }),
    closed: new Promise((resolve) => socket.once('close', () => resolve())),
    isOpen: () => socket.readyState === 'open',
    onData: (listener) => void socket.on('data', listener),
    write: (bytes) => void socket.write(bytes),
    end: () => void socket.end(),
    cut: () => void socket.resetAndDestroy(),
  };
}

function webSocketPipe(port: number): Pipe {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt', { perMessageDeflate: false });
  socket.on('error', () => undefined);
  return {
    transport: 'ws',
    opened: new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    }),
    closed: new Promise((resolve) => socket.once('close', () => resolve())),
    isOpen: () => socket.readyState === WebSocket.OPEN,
    onData: (listener) => void socket.on('message', (data: Buffer) => listener(data)),
    write: (bytes) => socket.send(bytes),
    end: () => socket.close(),
    cut: () => socket.terminate(),
  };
}
