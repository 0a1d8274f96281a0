import type { SnmpCredential } from "../routers/router.ts";
import { BENCH_COMMUNITY, BENCH_USER } from "./snmp-workload.ts";

/** What simulated routers of benchmarks let in, by version. */
export const CREDENTIALS: Readonly<Record<SnmpCredential["version"], SnmpCredential>> = {
  "1": { version: "1", community: BENCH_COMMUNITY },
  "2c": { version: "2c", community: BENCH_COMMUNITY },
  "3": {
    version: "3",
    securityLevel: "authPriv",
    authProtocol: "SHA256",
    privProtocol: "AES",
    ...BENCH_USER,
  },
};
