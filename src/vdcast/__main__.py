from vdcast.commands.cli import main

main()
