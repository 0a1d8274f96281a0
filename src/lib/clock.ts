/** The time as milliseconds since the Unix epoch. Decisions take it as an argument; shells read it here. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
