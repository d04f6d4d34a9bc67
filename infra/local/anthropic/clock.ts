/** The server's clock. Leases, reclaims and timestamps read it, so a drill can advance it instead of waiting. */

export interface Clock {
  /** Epoch milliseconds, including every advance. */
  now(): number;
  /** Epoch milliseconds without the advances: what other machines' clocks say (webhook timestamps). */
  wall(): number;
  /** Moves `now` forward. */
  advance(ms: number): void;
}

export function createClock(wall: () => number = Date.now): Clock {
  let ahead = 0;
  return {
    now: () => wall() + ahead,
    wall,
    advance: (ms) => {
      ahead += ms;
    },
  };
}

export const rfc3339 = (ms: number): string => new Date(ms).toISOString();
