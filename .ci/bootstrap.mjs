// Runs before `npm start` and `npm test`, with nothing installed: checks Node, then installs what is missing. Written
// for any Node with modules, so that an old one gets the message below and not a syntax error.
const needed = [20, 20];

const found = process.versions.node.split(".").map(Number);
if (found[0] < needed[0] || (found[0] === needed[0] && found[1] < needed[1])) {
  console.error(
    `Fairwalk needs Node ${needed.join(".")} or newer, and this is ${process.versions.node} (${process.execPath}). ` +
      "Install a newer one (https://nodejs.org/en/download) and put it first in PATH.",
  );
  process.exit(1);
}

void import("./dependencies.mjs").then(
  async (dependencies) => {
    process.exitCode = await dependencies.installWhatIsMissing();
  },
  (error) => {
    console.error(error);
    process.exitCode = 1;
  },
);
