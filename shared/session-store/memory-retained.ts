import type { EmittedMessage } from '../emitter/index.ts';
import { hasWildcard, TopicIndex } from '../emitter/topic-index.ts';

/** The retained messages of one process, gone with it. */
export class MemoryRetained {
  private readonly messages = new Map<string, EmittedMessage>();

  store(message: EmittedMessage): void {
    if (message.payload.length === 0) this.messages.delete(message.topic);
    else this.messages.set(message.topic, { ...message });
  }

  /** Each once. */
  *matching(filters: readonly string[]): Generator<EmittedMessage> {
    const exact = new Set(filters.filter((filter) => !hasWildcard(filter)));
    for (const topic of exact) {
      const message = this.messages.get(topic);
      if (message !== undefined) yield message;
    }
    if (exact.size === filters.length) return;
    const wildcards = new TopicIndex<string>();
    for (const filter of filters) if (hasWildcard(filter)) wildcards.set(filter, filter);
    for (const [topic, message] of this.messages)
      if (!exact.has(topic) && wildcards.matching(topic).some((filter) => mayMatch(filter, topic)))
        yield message;
  }
}

/** MQTT 3.1.1, 4.7.2-1. */
const mayMatch = (filter: string, topic: string) => !topic.startsWith('$') || !/^[+#]/.test(filter);
