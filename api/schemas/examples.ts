/** What stands in the documents. A test holds each against its schema. */
export const examples = {
  position: {
    latitude: 37.7749,
    longitude: -122.4194,
    bearing: 90,
    speed: 12.5,
    accuracy: 5,
    altitude: 10,
    battery: 80,
    recordedAt: '2026-11-23T17:30:00.000Z',
  },
  stored: {
    driverId: 'driver-1',
    latitude: 37.7749,
    longitude: -122.4194,
    recordedAt: '2026-11-23T17:30:00.000Z',
    bearing: 90,
    speed: 12.5,
    receivedAt: '2026-11-23T17:30:00.120Z',
  },
  get current() {
    return { ...this.stored, status: 'ONLINE', ageSeconds: 2.4 };
  },
  get nearby() {
    return { ...this.current, distanceMeters: 120.5 };
  },
  newTrip: {
    riderId: 'rider-1',
    pickup: { latitude: 37.7749, longitude: -122.4194, address: 'Market Street 1' },
    dropoff: { latitude: 37.7955, longitude: -122.3937 },
    metadata: { seats: 2 },
  },
  trip: {
    id: '3f2b8c1e-0d5a-4c8e-9a51-5f0c2a7d9e10',
    riderId: 'rider-1',
    driverId: 'driver-1',
    status: 'EN_ROUTE',
    version: 3,
    pickup: { latitude: 37.7749, longitude: -122.4194, address: 'Market Street 1' },
    dropoff: { latitude: 37.7955, longitude: -122.3937 },
    metadata: { seats: 2 },
    createdAt: '2026-11-23T17:20:00.000Z',
    updatedAt: '2026-11-23T17:30:00.000Z',
    enRouteAt: '2026-11-23T17:30:00.000Z',
    arrivedAt: null,
    startedAt: null,
    completedAt: null,
    cancelledAt: null,
    cancelReason: null,
    distanceMeters: null,
    durationSeconds: null,
  },
  event: {
    version: 3,
    status: 'EN_ROUTE',
    previous: 'PENDING',
    at: '2026-11-23T17:30:00.000Z',
    actor: { sub: 'driver-1', role: 'DRIVER' },
    reason: null,
  },
};
