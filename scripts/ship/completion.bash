# bash completion for llmsnap
_llmsnap() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  case $before in
    --config|--tls-cert-file|--tls-key-file|--llama-server) COMPREPLY=($(compgen -f -- "$word")) ;;
    --config-dir|--models) COMPREPLY=($(compgen -d -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$(llmsnap --help | grep -oE -- '--[a-z-]+')" -- "$word")) ;;
  esac
}
complete -F _llmsnap llmsnap
