"""`idp completion`: print the script with which a shell completes commands and options."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    bash: idp completion bash > /etc/bash_completion.d/idp. For zsh and fish, write it to their completion folder.
    """
    found = get_completion_class(shell)
    assert found is not None  # one of the choices
    click.echo(found(context.find_root().command, {}, "idp", "_IDP_COMPLETE").source())
