// The page of a model that is not loaded: its button loads it, then the page is asked for again.

const form = document.querySelector('form');
const status = document.querySelector('[role=status]');

form.addEventListener('submit', async event => {
	event.preventDefault();
	form.querySelector('button').disabled = true;
	status.textContent = 'Loading ...';
	try {
		const answer = await fetch(form.action, { method: 'POST' });
		if (answer.ok) return location.reload();
		status.textContent = await answer.text();
	} catch {
		status.textContent = 'The server cannot be reached.';
	}
	form.querySelector('button').disabled = false;
});
