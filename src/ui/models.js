// The list of models with their state, and a button to load or unload each. Asks again after every change and every two seconds.
const base = location.pathname.replace(/\/ui.*$/, '/');
const rows = document.getElementById('models');
const message = document.getElementById('message');

async function call(method, path) {
  const answer = await fetch(base + path, { method });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

async function act(method, path) {
  message.textContent = '';
  try {
    await call(method, path);
  } catch (error) {
    message.textContent = error.message;
  }
  await draw();
}

function row({ id, status }) {
  const line = document.createElement('tr');
  const button = document.createElement('button');
  const loaded = status.value !== 'unloaded';
  button.textContent = loaded ? 'Unload' : 'Load';
  button.onclick = () => act('POST', `api/models/${loaded ? 'unload' : 'load'}/${encodeURIComponent(id)}`);
  for (const content of [id, status.value, button]) {
    const cell = document.createElement('td');
    cell.append(content);
    line.append(cell);
  }
  return line;
}

async function draw() {
  try {
    const list = await (await call('GET', 'v1/models')).json();
    rows.replaceChildren(...list.data.map(row));
  } catch (error) {
    message.textContent = error.message;
  }
}

draw();
setInterval(draw, 2000);
