import type { Message, Publisher } from '../../shared/messages/publisher.ts';
import type { StatusMessage } from './trips.ts';

/** A publisher that keeps what went out, in the order in which it went. */
export class Recorder implements Publisher {
  readonly messages: { topic: string; message: StatusMessage }[] = [];
  private waiting: (() => void)[] = [];
  /** Called before a message goes out. */
  before: (message: Message) => Promise<void> = async () => undefined;

  stream(): void {
    throw new Error('trip changes are no stream');
  }

  async notify(message: Message): Promise<void> {
    await this.before(message);
    const parsed = JSON.parse(message.payload.toString()) as StatusMessage;
    this.messages.push({ topic: message.topic, message: parsed });
    for (const wake of this.waiting.splice(0)) wake();
  }

  /** The versions of a trip on its own topic, in the order in which they went out. */
  versions(tripId: string): number[] {
    return this.messages
      .filter(({ topic }) => topic === `trips/${tripId}/status`)
      .map(({ message }) => message.version);
  }

  async until(holds: () => boolean, timeoutMs = 20_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    while (!holds()) {
      const left = end - Date.now();
      if (left <= 0) throw new Error(`not so within ${timeoutMs} ms: ${JSON.stringify(this.messages)}`);
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        new Promise<void>((resolve) => this.waiting.push(resolve)),
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, left);
        }),
      ]);
      clearTimeout(timer);
    }
  }
}
