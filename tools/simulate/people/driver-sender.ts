import { topicFor } from '../../../shared/topics.ts';
import type { Message } from '../../shared/connection.ts';
import { Sender } from '../../shared/sender.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { SentPosition } from '../ledger/sent-position.ts';
import type { TripLedger } from '../ledger/trip-ledger.ts';

/** Any message of a driver; a position with the trip that it belongs to. */
export type DriverMessage = Message & { position?: SentPosition; trip?: TripLedger | undefined };

type Wiring = {
  ledger: Ledger;
  note: (text: string) => void;
  failed: (error: Error) => void;
  reconnected: () => void;
  received: (topic: string, payload: Buffer) => void;
};

/** Positions that may wait for their PUBACK: a minute's worth at 1/s. */
const IN_FLIGHT = 60;

/** A driver's connection, with its books kept. */
export function driverSender(
  { url, token, id }: { url: string; token: string; id: string },
  { ledger, note, failed, reconnected, received }: Wiring,
): Sender<DriverMessage> {
  const { statistics } = ledger;
  const books = ledger.driver(id);
  const filters = [topicFor('driverTrips', id), topicFor('driverErrors', id)];
  const encode = (message: DriverMessage) => message;
  return new Sender<DriverMessage>(
    { url, token, program: 'driver', filters, inFlight: IN_FLIGHT, encode },
    {
      up: () => {
        statistics.driversConnected++;
      },
      reconnected: () => {
        statistics.reconnects++;
        reconnected();
      },
      lost: () => {
        statistics.driversConnected--;
      },
      refused: (filter) => failed(new Error(`the broker refuses ${id} the subscription to ${filter}`)),
      sent: ({ position }, now) => {
        if (position !== undefined) ledger.published(position, now);
      },
      acknowledged: ({ position, trip }, _sentAt, now) => {
        if (position !== undefined) ledger.acknowledged(books, position, trip, now);
      },
      message: received,
      failed,
      note,
    },
  );
}
