import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuthProtocol, SnmpCredential } from "../../src/routers/router.ts";
import { openSession, type Session } from "../../src/snmp/session.ts";
import { openTransport, type Transport } from "../../src/snmp/transport.ts";
import { getScalars, walkColumns } from "../../src/snmp/walk.ts";
import { enablingCommand, ensureDebianTool } from "../debian-package.ts";
import { SNMPD_COMMUNITY, type Snmpd, startSnmpd } from "../snmpd.ts";

/** Our manager against the reference agent: every version, every security level, and its own tools as the judge. */

const snmpd = ensureDebianTool("snmpd", "snmpd");
const snmpbulkwalk = ensureDebianTool("snmpbulkwalk", "snmp");
const isThere = snmpd !== null && snmpbulkwalk !== null;

const SYS_DESCR = "1.3.6.1.2.1.1.1.0";
const SYS_NAME = "1.3.6.1.2.1.1.5.0";
/** sysORTable: constant, several rows, three kinds of value. */
const SYS_OR = ["1.3.6.1.2.1.1.9.1.2", "1.3.6.1.2.1.1.9.1.3", "1.3.6.1.2.1.1.9.1.4"];

/** As snmpd.conf spells them. DES is an option of its build, and Reeder's variants are not in this agent. */
const AUTH: Readonly<Record<AuthProtocol, string>> = {
  MD5: "MD5",
  SHA: "SHA",
  SHA224: "SHA-224",
  SHA256: "SHA-256",
  SHA384: "SHA-384",
  SHA512: "SHA-512",
};
const PRIV = { DES: "DES", AES: "AES", AES192: "AES-192", AES256: "AES-256" } as const;

type PrivOfAgent = keyof typeof PRIV;
const users = (Object.keys(AUTH) as AuthProtocol[]).flatMap((auth) =>
  (Object.keys(PRIV) as PrivOfAgent[]).map((priv) => ({ auth, priv, name: `u${auth}${priv}` })),
);

describe.skipIf(!isThere)(
  `a real Net-SNMP agent (to run it: ${enablingCommand("snmpd snmp")})`,
  () => {
    let agent: Snmpd;
    let transport: Transport;
    let sessions = 0;

    beforeAll(async () => {
      agent = await startSnmpd(snmpd ?? "", [
        "sysName edge-agent",
        ...users.map(
          ({ name, auth, priv }) =>
            `createUser ${name} ${AUTH[auth]} "auth of ${name}" ${PRIV[priv]} "priv of ${name}"`,
        ),
        ...users.map(({ name }) => `rouser ${name} noauth`),
        "createUser nobody",
        "rouser nobody noauth",
        'createUser private SHA-256 "auth of private" AES "priv of private"',
        "rouser private priv",
      ]);
      transport = await openTransport();
    });

    afterAll(async () => {
      await transport?.stop();
      await agent?.stop();
    });

    /** A session as if this router had never been seen, unless a key says otherwise. */
    function sessionOf(
      credential: SnmpCredential,
      usmKey = `never seen ${sessions++}`,
      timeoutMs = 2_000,
    ): Session {
      return openSession(
        transport,
        { address: "127.0.0.1", port: agent.port, context: "", credential, usmKey },
        { deadlineMs: Date.now() + 10_000, timeoutMs, retries: 1 },
      );
    }

    function userCredential(name: string, changes: Partial<UsmCredential> = {}): UsmCredential {
      const user = users.find((candidate) => candidate.name === name);
      return {
        version: "3",
        username: name,
        securityLevel: "authPriv",
        authProtocol: user?.auth ?? "SHA256",
        authPassword: `auth of ${name}`,
        privProtocol: user?.priv ?? "AES",
        privPassword: `priv of ${name}`,
        ...changes,
      };
    }
    type UsmCredential = Extract<SnmpCredential, { version: "3" }>;

    async function nameBy(session: Session): Promise<string> {
      const { outcome, reason, table } = await getScalars(session, [SYS_NAME]);
      const [name] = table.columns.get(SYS_NAME)?.bytes ?? [];
      return outcome === "answered" ? `${Buffer.from(name ?? [])}` : `${outcome}: ${reason}`;
    }

    test.each(["1", "2c"] as const)("answers v%s, tables included", async (version) => {
      const session = sessionOf({ version, community: SNMPD_COMMUNITY });

      expect(await nameBy(session)).toBe("edge-agent");
      const { outcome, table } = await walkColumns(session, SYS_OR, { rowsMax: 1_000 });

      expect(outcome).toBe("answered");
      expect(asText(table.columns.get(SYS_OR[1] ?? "")?.bytes)).toEqual(column(SYS_OR[1] ?? ""));
      expect(table.columns.get(SYS_OR[2] ?? "")?.tags.every((tag) => tag === 0x43)).toBe(true);
    });

    /** A column of texts as Net-SNMP's own tool reads it. */
    function column(oid: string): string[] {
      const output = execFileSync(
        snmpbulkwalk ?? "",
        ["-v2c", "-c", SNMPD_COMMUNITY, "-OvQ", `127.0.0.1:${agent.port}`, oid],
        { encoding: "utf8" },
      );
      return output.trim().replaceAll('"', "").split("\n");
    }

    test.each(users)("answers v3 authPriv with $auth and $priv", async ({ name }) => {
      const session = sessionOf(userCredential(name));

      expect(await nameBy(session)).toBe("edge-agent");
      // One packet to find the engine, one to ask: the agent reports its clock with its id.
      expect(session.stats.requests).toBe(2);
    });

    test.each(Object.keys(AUTH) as AuthProtocol[])(
      "answers v3 authNoPriv with %s",
      async (auth) => {
        const credential = userCredential(`u${auth}AES`, { securityLevel: "authNoPriv" });

        expect(await nameBy(sessionOf(credential))).toBe("edge-agent");
      },
    );

    test("answers v3 noAuthNoPriv", async () => {
      const credential = {
        version: "3",
        username: "nobody",
        securityLevel: "noAuthNoPriv",
      } as const;

      expect(await nameBy(sessionOf(credential))).toBe("edge-agent");
    });

    test("walks a table in v3 to the same values as in v2c", async () => {
      const walk = async (credential: SnmpCredential) => {
        const { outcome, table } = await walkColumns(sessionOf(credential), SYS_OR, {
          rowsMax: 99,
        });
        expect(outcome).toBe("answered");
        return table;
      };

      expect(await walk(userCredential("uSHA256AES"))).toEqual(
        await walk({ version: "2c", community: SNMPD_COMMUNITY }),
      );
    });

    test("needs no discovery when the engine is known", async () => {
      await nameBy(sessionOf(userCredential("uSHA512AES256"), "known"));
      const again = sessionOf(userCredential("uSHA512AES256"), "known");

      expect(await nameBy(again)).toBe("edge-agent");
      expect(again.stats.requests).toBe(1);
    });

    test("an engine whose clock was thought wrong is asked once more, not twice", async () => {
      const credential = userCredential("uSHA256AES");
      await nameBy(sessionOf(credential, "wrong clock"));
      const engine = transport.usm.engine("wrong clock", credential);
      engine.learn(engine.id, engine.boots + 5, 1_000_000, performance.now());

      const session = sessionOf(credential, "wrong clock");

      expect(await nameBy(session)).toBe("edge-agent");
      expect(session.stats.requests).toBe(2);
    });

    test("a router that became another engine is discovered anew", async () => {
      const credential = userCredential("uSHA256AES");
      const engine = transport.usm.engine("replaced", credential);
      engine.learn(Buffer.from("80001f8804deadbeef", "hex"), 1, 1, performance.now());

      const session = sessionOf(credential, "replaced");

      expect(await nameBy(session)).toBe("edge-agent");
      expect(session.stats.requests).toBe(2);
    });

    test("two requests at once share one discovery", async () => {
      const session = sessionOf(userCredential("uSHAAES"));

      const names = await Promise.all([nameBy(session), nameBy(session), nameBy(session)]);

      expect(names).toEqual(["edge-agent", "edge-agent", "edge-agent"]);
      expect(session.stats.requests).toBe(4);
    });

    test.each<[string, Partial<UsmCredential>, string]>([
      ["an unknown user", { username: "stranger" }, "refused: It does not know this user"],
      [
        "a wrong authentication password",
        { authPassword: "not the password" },
        "refused: It finds the authentication password or protocol wrong",
      ],
      [
        "a wrong authentication protocol",
        { authProtocol: "SHA512" },
        "refused: It finds the authentication password or protocol wrong",
      ],
      [
        "no password at all",
        { authPassword: "" },
        "refused: The credential lacks its authentication protocol or password",
      ],
    ])("%s is refused by name", async (_what, changes, expected) => {
      expect(await nameBy(sessionOf(userCredential("uSHA256AES", changes)))).toBe(expected);
    });

    test("a wrong privacy password is no answer, and never a weaker one", async () => {
      const credential = userCredential("uSHA256AES", { privPassword: "not the password" });
      const session = sessionOf(credential, "wrong privacy", 200);

      // Net-SNMP drops what it cannot decrypt or reports decryptionErrors, by version.
      expect(await nameBy(session)).toMatch(/^(refused|silent): /);
    });

    test("a level below what the agent demands is refused, not raised", async () => {
      const credential = userCredential("private", { securityLevel: "authNoPriv" });

      expect(await nameBy(sessionOf(credential))).toMatch(/^refused: /);
    });

    test("a context the agent does not have is refused", async () => {
      const session = openSession(
        transport,
        {
          address: "127.0.0.1",
          port: agent.port,
          context: "elsewhere",
          credential: userCredential("uSHA256AES"),
          usmKey: "context",
        },
        { deadlineMs: Date.now() + 5_000, timeoutMs: 500, retries: 0 },
      );

      expect(await nameBy(session)).toMatch(/^(refused|silent): /);
    });

    test("a wrong community is silence", async () => {
      const session = openSession(
        transport,
        {
          address: "127.0.0.1",
          port: agent.port,
          context: "",
          credential: { version: "2c", community: "wrong" },
          usmKey: "",
        },
        { deadlineMs: Date.now() + 5_000, timeoutMs: 100, retries: 1 },
      );

      expect(await getScalars(session, [SYS_DESCR])).toMatchObject({
        outcome: "silent",
        reason: "No answer to 2 requests of 100 ms",
      });
    });
  },
);

function asText(values: readonly (Uint8Array | null)[] = []): string[] {
  return values.map((value) => `${Buffer.from(value ?? [])}`);
}
