import { FleetcastError, type Refusal } from '../errors.ts';
import type { TransitionRequest, TripStore } from './store.ts';

/** A transition that came as a message, and the topic on which it came. */
export type SentTransition = TransitionRequest & { topic: string };

/**
 * Port: the way in for transitions that come as messages. Settles when it may be acknowledged: when it is kept. Gives the refusal, where it
 * is known by then; a door that learns of it later tells the sender itself. Rejects when it can't be kept now: not to be acknowledged.
 */
export type TransitionDoor = { submit(transition: SentTransition): Promise<Refusal | undefined> };

/** Applies it at once. */
export function createDirectDoor(store: Pick<TripStore, 'transition'>): TransitionDoor {
  return {
    async submit(transition) {
      try {
        await store.transition(transition);
        return undefined;
      } catch (error) {
        if (error instanceof FleetcastError) return error.refusal;
        throw error;
      }
    },
  };
}
