import type { Channels } from './channels.ts';
import { encodeMessage } from './frames.ts';
import type { EmittedMessage } from './index.ts';
import type { Link } from './link.ts';
import { packFrame } from './notes.ts';
import { Outbox, type Outgoing } from './outbox.ts';

/** Bytes handed to Redis and not confirmed; what comes beyond is collected. */
const MAX_UNDER_WAY_BYTES = 1_048_576;

/** What goes to other nodes: held while it is not known who wants it, collected for each link, one publish a turn. */
export class Sending {
  private readonly channels: Channels;
  private readonly held: Outbox;
  private readonly waiting = new Set<Link>();
  private hasLost = false;

  constructor(channels: Channels, maxBytes: number, onDropped: (count: number) => void) {
    this.channels = channels;
    this.held = new Outbox(maxBytes, onDropped);
  }

  hold(message: EmittedMessage): void {
    if (!this.held.push(outgoing(message))) this.hasLost = true;
  }

  /** What was held goes to whoever wants it. */
  release(wanting: (topic: string) => readonly Link[], everyLink: readonly Link[]): void {
    if (this.hasLost) for (const link of everyLink) link.skip();
    this.hasLost = false;
    for (const message of this.held.take(Number.POSITIVE_INFINITY)) this.put(wanting(message.topic), message);
  }

  send(links: readonly Link[], message: EmittedMessage): void {
    if (links.length > 0) this.put(links, outgoing(message));
  }

  forget(link: Link): void {
    this.waiting.delete(link);
  }

  /** `again` is called when there is room for what is left. */
  flush(again: () => void): void {
    const sent = () => {
      if (this.waiting.size > 0) again();
    };
    for (const link of this.waiting) {
      while (!link.isEmpty) {
        if (this.channels.bytesUnderWay > MAX_UNDER_WAY_BYTES) return;
        // A frame that fails is missed at the other end, by its number
        this.channels.toNode(link.to, packFrame(link.nextFrame())).then(sent, sent);
      }
      this.waiting.delete(link);
    }
  }

  private put(links: readonly Link[], message: Outgoing): void {
    for (const link of links) {
      link.send(message);
      this.waiting.add(link);
    }
  }
}

/** Aedes' own messages are of QoS 0, and no streams: who is connected where. */
const outgoing = (message: EmittedMessage): Outgoing => ({
  topic: message.topic,
  bytes: encodeMessage(message),
  stream: message.qos === 0 && !message.topic.startsWith('$'),
});
