// Stands in for Material's search worker, and loads it only once somebody types a word.
//
// The page talks to it as to Material's own, by four messages: 0 setup, 1 ready, 2 query, 3 result.
// Its own address names Material's worker after the '?'. The settings that it is set up with name
// the file of the whole index; where they name none, the index came with them.
"use strict";

let setup; // what Material's worker is to be set up with
let asked; // the last query
let material; // Material's worker, a promise, from the first word on
let ready = false; // whether that worker answers

const load = async () => {
  if (setup.config.index) {
    const answer = await fetch(new URL(setup.config.index, location));
    if (!answer.ok) throw new Error(`${answer.status} for ${answer.url}`);
    setup = { ...setup, ...(await answer.json()) };
  }
  const worker = new Worker(new URL(location.search.slice(1), location));
  worker.onmessage = ({ data: message }) => {
    if (message.type === 1) {
      ready = true;
      worker.postMessage(asked);
    } else {
      postMessage(message);
    }
  };
  worker.onerror = failed;
  worker.postMessage({ type: 0, data: setup });
  return worker;
};

// The next letter tries again.
const failed = (error) => {
  console.warn("The search did not load:", error.message);
  material = undefined;
  ready = false;
};

addEventListener("message", async ({ data: message }) => {
  if (message.type === 0) {
    setup = message.data;
    postMessage({ type: 1 });
    return;
  }
  asked = message;
  if (ready) (await material).postMessage(message);
  else if (message.data.trim()) material ||= load().catch(failed);
  else postMessage({ type: 3, data: { items: [] } });
});
