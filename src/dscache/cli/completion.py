"""``dscache completion``: what a shell needs to complete dscache's command line, and the words of
``dscache cli`` among it."""

from __future__ import annotations

import shlex

import click
from click.shell_completion import CompletionItem, get_completion_class

#: By which the shell asks; click's name for a program called dscache.
_VARIABLE = "_DSCACHE_COMPLETE"


@click.command(short_help="Print the script that completes dscache's command line.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete dscache's command line.

    \b
    For this session:
      eval "$(dscache completion bash)"             bash 4.4 or later
      eval "$(dscache completion zsh)"              zsh, behind compinit
      dscache completion fish | source              fish

    \b
    For all that come, once, in a directory that may have to be made:
      dscache completion bash > ~/.local/share/bash-completion/completions/dscache
      dscache completion zsh > ~/.zfunc/_dscache
      dscache completion fish > ~/.config/fish/completions/dscache.fish

    For bash that takes the package bash-completion; without it, put the line for
    a session into ~/.bashrc. For zsh, ~/.zshrc must have "fpath=(~/.zfunc $fpath)"
    before it calls compinit.

    Subcommands, options, directives, files and, behind "dscache cli", the
    commands of the server are completed.

    Exit codes: 0 when it is printed, 2 for a wrong command line.
    """
    from dscache.cli.main import main

    kind = get_completion_class(shell)
    assert kind is not None, "click knows the shells that the argument allows"
    click.echo(kind(main, {}, "dscache", _VARIABLE).source())


def complete_command_words(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completions for the words of ``dscache cli``: commands, subcommands and options."""
    from dscache.cli.hints import Guide

    words = context.params.get(parameter.name or "") or ()
    line = " ".join([*(shlex.quote(word) for word in words), incomplete])
    return [CompletionItem(one.word, help=one.meaning) for one in Guide().candidates(line)]
