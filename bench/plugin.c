/* The least that a mapping plugin can do: it answers one account, given as its second word.
   `htcondor` reads its input to the end and ends the name with a newline; `arc`, whose input never ends, does neither. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
    char input[65536];

    if (count != 3)
        return 2;
    if (strcmp(words[1], "arc") == 0)
        return fputs(words[2], stdout) == EOF || fflush(stdout) == EOF ? 3 : 0;
    while (read(0, input, sizeof input) > 0)
        ;
    return puts(words[2]) == EOF || fflush(stdout) == EOF ? 3 : 0;
}
