# One image for every role: docker run fairwalk scheduler | worker | api | migrate | simulate …
#
# The embedded Postgres is an optional dependency of npm and stays out: containers are given DATABASE_URL.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The compiler's own binary is an optional dependency too, so this stage takes all of them.
RUN npm ci --no-fund --no-audit
COPY tsconfig.json ./
COPY src ./src
RUN npm run build && npm ci --omit=dev --omit=optional --no-fund --no-audit

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    NODE_OPTIONS="--enable-source-maps --max-semi-space-size=32" \
    FAIRWALK_DATA_DIR=/var/lib/fairwalk \
    FAIRWALK_LISTEN=0.0.0.0:8080
WORKDIR /app
# Where samples wait when Postgres is away: give each worker a volume of its own here.
RUN install -d -o node -g node -m 0700 /var/lib/fairwalk
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY migrations ./migrations
COPY config/fairwalk.yaml config/tiers.yaml config/profiles.yaml ./config/
COPY config/modules ./config/modules

USER node
VOLUME /var/lib/fairwalk
EXPOSE 8080
STOPSIGNAL SIGTERM
# Every role answers /livez on the port of FAIRWALK_LISTEN. It looks at the process alone: a lost database restarts nothing.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.FAIRWALK_LISTEN.split(':').pop() + '/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli.js"]
CMD ["--help"]
