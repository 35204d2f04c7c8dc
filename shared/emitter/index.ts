/** A message between processes, as Aedes' emitters carry it. */
export type EmittedMessage = {
  topic: string;
  payload: Buffer;
  qos: 0 | 1 | 2;
  retain: boolean;
  cmd: 'publish';
  /** With brokerCounter: tells a message from its double. The counter of one id only grows. */
  brokerId: string;
  brokerCounter: number;
};

export type Listener = (message: EmittedMessage, done: () => void) => void;

/** Port: what carries messages to the subscribers of every broker. `emit` calls back when they were handed out here. */
export type Emitter = {
  on(topic: string, listener: Listener, done?: () => void): unknown;
  removeListener(topic: string, listener: Listener, done?: () => void): unknown;
  emit(message: EmittedMessage, done?: (error?: Error) => void): unknown;
  close(done: () => void): unknown;
};
