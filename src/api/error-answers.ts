/**
 * The one place where a failure becomes an answer. What the client did is explained to the client; what we did is
 * logged once, under the request id, and the client learns that id alone.
 */
import type { Socket } from "node:net";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { Log } from "../lib/log.ts";
import { uuidv7 } from "../lib/uuid.ts";
import type { Api } from "./access-control.ts";
import { PROBLEMS, Problem, problemDocument } from "./problems.ts";

export function answerErrors(app: Api, log: Log): void {
  const methods = methodsByPath(app);

  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (PROBLEMS[problem.code].status >= 500) {
      const route = `${request.method} ${request.routeOptions.url ?? pathOf(request.url)}`;
      log.error({ err: error, requestId: request.id, route }, "request failed");
    }
    return sendProblem(problem, request, reply);
  });

  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request.url);
    const allowed = methods.of(path);
    const problem =
      allowed.length === 0
        ? new Problem("not-found", {
            detail: `There is no ${path}; /openapi.json lists what there is`,
          })
        : new Problem("method-not-allowed", {
            detail: `${path} takes ${allowed.join(", ")}, not ${request.method}`,
            headers: { allow: allowed.join(", ") },
          });
    return sendProblem(problem, request, reply);
  });
}

export function sendProblem(
  problem: Problem,
  request: Pick<FastifyRequest, "id" | "url">,
  reply: FastifyReply,
): FastifyReply {
  const document = problemDocument(problem, { id: request.id, path: pathOf(request.url) });
  return (
    reply
      .code(document.status)
      .headers({ "x-request-id": request.id, ...problem.parts.headers })
      .type("application/problem+json")
      // As bytes: to text Fastify adds a charset, which JSON does not have (RFC 8259, section 11).
      .send(Buffer.from(JSON.stringify(document)))
  );
}

/** Answers bytes that never became a request: there is no id, no path and nobody to tell but the socket. */
export function answerUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = new Problem("malformed-request", { detail: "This is not an HTTP/1.1 request" });
  const body = JSON.stringify(problemDocument(problem, { id: uuidv7(), path: "" }));
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** What `error` means to the client. Anything not known to be theirs is ours. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isDatabaseAway(error)) {
    return new Problem("database-unavailable", { detail: "", headers: { "retry-after": "5" } });
  }
  if (!isFastifyError(error)) return new Problem("internal-error", { detail: "" });
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new Problem("body-too-large", {
        detail: "The body is larger than this takes; send it in parts",
      });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new Problem("unsupported-media-type", {
        detail: "Send the body as application/json, with that content-type header",
      });
    default:
      return new Problem("malformed-request", { detail: error.message });
  }
}

/** Errors Fastify itself makes of what it received: bad JSON, a bad length, a bad address. */
function isFastifyError(error: unknown): error is FastifyError {
  const { statusCode } = fieldsOf(error);
  return error instanceof Error && typeof statusCode === "number" && statusCode < 500;
}

// Node's codes for a connection that cannot be made or broke, and SQLSTATEs of a server that is going away, starting
// up, full, or does not let us in (classes 08 and 28, 57P01 to 57P05, 53300, 3D000).
const DATABASE_AWAY =
  /^(ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|08\w{3}|28\w{3}|57P0\d|53300|3D000)$/;
const CONNECTION_LOST = /connection terminated|timeout exceeded when trying to connect/i;

function isDatabaseAway(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isDatabaseAway);
  if (!(error instanceof Error)) return false;
  const { code, syscall } = fieldsOf(error);
  const isConnection = typeof code === "string" && DATABASE_AWAY.test(code);
  // ENOENT is a missing socket only when connecting; of a file it is a fault like any other.
  if (isConnection) return code !== "ENOENT" || syscall === "connect";
  return CONNECTION_LOST.test(error.message) || isDatabaseAway(error.cause);
}

function fieldsOf(error: unknown): { code?: unknown; statusCode?: unknown; syscall?: unknown } {
  return typeof error === "object" && error !== null ? error : {};
}

export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}

/** Knows which methods each path takes, to tell "no such address" from "not with that method". */
function methodsByPath(app: Api): { of: (path: string) => string[] } {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook("onRoute", ({ url, method }) => {
    const pattern = new RegExp(
      `^${url.replaceAll(/:[A-Za-z]+/g, "[^/]+").replaceAll(".", "\\.")}$`,
    );
    routes.push({ pattern, methods: [method].flat() });
  });
  return {
    of: (path) => [
      ...new Set(routes.filter((it) => it.pattern.test(path)).flatMap((it) => it.methods)),
    ],
  };
}
